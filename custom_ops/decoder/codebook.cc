#include "decoder/codebook.h"

#include <cstring>

#include "decoder/floats.h"

namespace onnxdc {
namespace {

// A value of a grid in the weight's type. The product is exact in float32, and so in float64.
template <class T>
T convert(double value, [[maybe_unused]] int32_t type) {
    if constexpr (sizeof(T) == 8) return bits_as<T>(value);
    if constexpr (sizeof(T) == 4) return bits_as<T>(static_cast<float>(value));
    if constexpr (sizeof(T) == 2) {
        const auto narrow = static_cast<float>(value);
        return type == kFloat16 ? float_to_float16(narrow) : float_to_bfloat16(narrow);
    }
    return T{};  // the types of a byte have no grids
}

template <class T>
std::vector<T> stored_bits(const CheckedGroup& group) {
    const TensorView& codebook = group.codebook;
    std::vector<T> bits(static_cast<size_t>(codebook.numel()));
    if (element_size(codebook.type) == sizeof(T)) {  // as it is: a conversion would change the bits of some NaNs
        std::memcpy(bits.data(), codebook.data, bits.size() * sizeof(T));
        return bits;
    }
    for (size_t i = 0; i < bits.size(); ++i)
        bits[i] = convert<T>(load_number(codebook.data, codebook.type, i), group.dtype);
    return bits;
}

template <class T>
std::vector<T> grid_bits(const CheckedGroup& group) {
    const auto groups = static_cast<size_t>(group.groups), codes = static_cast<size_t>(group.codes_per_group);
    std::vector<T> bits(groups * codes);
    for (size_t g = 0; g < groups; ++g) {
        const double step = load_number(group.step.data, kFloat, g);
        for (size_t c = 0; c < codes; ++c) {
            const double integer = load_number(group.codebook.data, group.codebook.type, c);
            bits[g * codes + c] = convert<T>(integer * step, group.dtype);
        }
    }
    return bits;
}

}  // namespace

template <class T>
std::vector<T> codebook_bits(const CheckedGroup& group) {
    std::vector<T> bits = group.has_step() ? grid_bits<T>(group) : stored_bits<T>(group);
    if constexpr (sizeof(T) == 1) {
        const T used = group.dtype == kUint4 || group.dtype == kInt4 ? 15 : 255;
        for (T& value : bits) value &= used;
    }
    return bits;
}

template std::vector<uint8_t> codebook_bits(const CheckedGroup&);
template std::vector<uint16_t> codebook_bits(const CheckedGroup&);
template std::vector<uint32_t> codebook_bits(const CheckedGroup&);
template std::vector<uint64_t> codebook_bits(const CheckedGroup&);

}  // namespace onnxdc
