// Random sparse weights, inputs in allocations of exactly their size, and what else the tests of the kernels share.
#pragma once

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "decoder/weight.h"
#include "parallel/executor.h"

namespace onnxdc {

using Random = std::mt19937;

inline float random_float(Random& random) { return std::normal_distribution<float>()(random); }

// What a weight is made of. A density of 0 is no nonzero at all; `lone` leaves exactly one.
struct WeightSpec {
    double density = 0.3;
    int64_t codes = 32;
    int64_t groups = 1;
    int64_t group_axis = 0;
    bool lone = false;
};

// Some rows and columns are left empty, and others are full.
inline SparseWeight random_weight(Random& random, const std::vector<int64_t>& shape, const WeightSpec& spec) {
    SparseWeight weight;
    weight.shape = shape;
    weight.groups = spec.groups;
    weight.group_axis = spec.group_axis;
    weight.codes_per_group = spec.codes;
    for (int64_t i = 0; i < spec.groups * spec.codes; ++i)
        weight.codebook.push_back(i % spec.codes == 0 ? 0.0f : random_float(random));
    const auto numel = static_cast<uint32_t>(weight.numel());
    const uint32_t row_length = shape[0] == 0 ? 0 : numel / static_cast<uint32_t>(shape[0]);
    const uint32_t lone = numel == 0 ? 0 : std::uniform_int_distribution<uint32_t>(0, numel - 1)(random);
    std::bernoulli_distribution keep(spec.density), odd(0.05);
    std::uniform_int_distribution<int> code(1, static_cast<int>(spec.codes) - 1);
    double density = spec.density;
    for (uint32_t position = 0; position < numel; ++position) {
        if (position % row_length == 0)
            density = odd(random) ? 0.0 : odd(random) && spec.density > 0.0 ? 1.0 : spec.density;
        if (spec.lone ? position != lone : !std::bernoulli_distribution(density)(random)) continue;
        weight.position.push_back(position);
        weight.code.push_back(static_cast<uint8_t>(code(random)));
    }
    return weight;
}

// The weight with all its zeros, in float64, for the naive products.
inline std::vector<double> dense(const SparseWeight& weight) {
    std::vector<double> values(static_cast<size_t>(weight.numel()));
    const GroupOfPosition group_of(weight.shape, weight.groups, weight.group_axis);
    for (size_t i = 0; i < weight.position.size(); ++i) {
        values[weight.position[i]] =
            weight
                .codebook[group_of(weight.position[i]) * static_cast<size_t>(weight.codes_per_group) + weight.code[i]];
    }
    return values;
}

// An array in an allocation of exactly its size, so that the sanitizer sees every access outside.
struct Floats {
    explicit Floats(size_t size, float value = 0.0f) : size(size), data(new float[size]) {
        std::fill(data.get(), data.get() + size, value);
    }
    Floats(size_t size, Random& random) : Floats(size) {
        for (size_t i = 0; i < size; ++i) data[i] = random_float(random);
    }
    float& operator[](size_t i) { return data[i]; }
    float operator[](size_t i) const { return data[i]; }

    size_t size;
    std::unique_ptr<float[]> data;
};

// Scratch memory of exactly the size asked for, full of NaNs.
struct ScratchMemory {
    explicit ScratchMemory(size_t nbytes) : memory(std::aligned_alloc(64, (nbytes + 63) / 64 * 64), std::free) {
        std::fill_n(static_cast<float*>(memory.get()), nbytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
    }
    std::unique_ptr<void, void (*)(void*)> memory;
};

// Claims some workers and runs the tasks last to first.
class BackwardExecutor final : public Executor {
public:
    explicit BackwardExecutor(size_t workers) : workers_(workers) {}
    size_t workers() const override { return workers_; }

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override {
        while (count > 0) call(state, --count);
    }

private:
    size_t workers_;
};

// A sum in float64 and the sum of its terms' magnitudes, which bounds the error of adding them in float32.
struct Expected {
    double sum = 0.0, magnitude = 0.0;

    void add(double term) {
        sum += term;
        magnitude += std::abs(term);
    }
    bool matches(float actual) const {
        if (std::isnan(sum)) return std::isnan(actual);
        if (std::isinf(sum)) return static_cast<double>(actual) == sum;
        return std::abs(actual - sum) <= 1e-5 * magnitude;
    }
};

}  // namespace onnxdc
