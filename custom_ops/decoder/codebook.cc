#include "decoder/codebook.h"

#include <cmath>
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
std::vector<T> stored_values(const CheckedGroup& group) {
    const TensorView& codebook = group.codebook;
    std::vector<T> values(static_cast<size_t>(codebook.numel()));
    if (element_size(codebook.type) == sizeof(T)) {  // as it is: a conversion would change the bits of some NaNs
        std::memcpy(values.data(), codebook.data, values.size() * sizeof(T));
        return values;
    }
    for (size_t i = 0; i < values.size(); ++i)
        values[i] = convert<T>(load_number(codebook.data, codebook.type, i), group.dtype);
    return values;
}

template <class T>
std::vector<T> grid_values(const CheckedGroup& group) {
    const auto groups = static_cast<size_t>(group.groups), codes = static_cast<size_t>(group.codes_per_group);
    std::vector<T> values(groups * codes);
    for (size_t g = 0; g < groups; ++g) {
        const double step = load_number(group.step.data, kFloat, g);
        for (size_t c = 0; c < codes; ++c) {
            const double integer = load_number(group.codebook.data, group.codebook.type, c);
            values[g * codes + c] = convert<T>(integer * step, group.dtype);
        }
    }
    return values;
}

}  // namespace

template <class T>
std::vector<T> codebook_values(const CheckedGroup& group) {
    std::vector<T> values = group.has_step() ? grid_values<T>(group) : stored_values<T>(group);
    if constexpr (sizeof(T) == 1) {
        const T used = group.dtype == kUint4 || group.dtype == kInt4 ? 15 : 255;
        for (T& value : values) value &= used;
    }
    return values;
}

std::vector<float> byte_steps(const CheckedGroup& group) {
    constexpr double kMost = 127.0;
    std::vector<float> steps;
    if (!group.has_step()) return steps;
    for (int64_t c = 0; c < group.codes_per_group; ++c) {
        if (std::abs(load_number(group.codebook.data, group.codebook.type, static_cast<size_t>(c))) > kMost)
            return steps;
    }
    for (int64_t g = 0; g < group.groups; ++g)
        steps.push_back(static_cast<float>(load_number(group.step.data, kFloat, static_cast<size_t>(g))));
    return steps;
}

template std::vector<uint8_t> codebook_values(const CheckedGroup&);
template std::vector<uint16_t> codebook_values(const CheckedGroup&);
template std::vector<uint32_t> codebook_values(const CheckedGroup&);
template std::vector<uint64_t> codebook_values(const CheckedGroup&);
template std::vector<float> codebook_values(const CheckedGroup&);

}  // namespace onnxdc
