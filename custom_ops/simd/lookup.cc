#include "simd/lookup.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "simd/family.h"

namespace onnxdc {
namespace {

// Eight codes come in one load: a load for each would be as many again as those of the values.
void look_up_base(const float* table, const uint8_t* codes, size_t count, float* out) {
    constexpr size_t kCodes = sizeof(uint64_t);
    size_t i = 0;
    for (; i + kCodes <= count; i += kCodes) {
        uint64_t some;
        std::memcpy(&some, codes + i, sizeof some);
        for (size_t k = 0; k < kCodes; ++k) out[i + k] = table[some >> 8 * k & 255];
    }
    for (; i < count; ++i) out[i] = table[codes[i]];
}

constexpr LookUp kLookUpBase[] = {look_up_base, look_up_base, look_up_base, look_up_base};

// AVX2 has none of its own: its gathers are slower than the loads of the base.
constexpr Variant<const LookUp*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), kLookUpAvx512},
#endif
    {0, kLookUpBase},
};

}  // namespace

LookUp lookup_kernel(Isa isa, size_t table_size) {
    const size_t* size = std::lower_bound(std::begin(kLookupTables), std::end(kLookupTables), table_size);
    return best_of(kFamily, features_of(isa))[size - kLookupTables];
}

}  // namespace onnxdc
