// Values of codes, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"

namespace onnxdc {

// How many values a table is padded to: the smallest of kLookupTables that holds them.
constexpr size_t kLookupTables[] = {32, 64, 128, 256};

// out[i] = table[codes[i]], i < count; each code is below the size of the table.
using LookUp = void (*)(const float* table, const uint8_t* codes, size_t count, float* out);

// For tables of one of the sizes.
LookUp lookup_kernel(Isa isa, size_t table_size);

// What the file of the instruction set defines, for each size.
extern const LookUp kLookUpAvx512[4];

}  // namespace onnxdc
