// Random sparse weights, inputs in allocations of exactly their size, and what else the tests of the kernels share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "decoder/weight.h"
#include "parallel/executor.h"

namespace onnxdc {

using Random = std::mt19937;

inline float random_float(Random& random) { return std::normal_distribution<float>()(random); }

// What a weight is made of. A density of 0 is no nonzero at all.
struct WeightSpec {
    double density = 0.3;
    int64_t codes = 32;  // of the file: the one for zero is not in the weight
    int64_t groups = 1;
    int64_t group_axis = 0;
    bool lone = false;        // exactly one nonzero
    bool uneven = false;      // some rows have far fewer nonzeros than others
    bool odd_values = false;  // the codebook has infinities, NaNs, large numbers

    void print() const {
        std::fprintf(stderr, "  weight: density %g%s%s%s, %d groups on axis %d, %d codes\n", density,
                     lone ? " lone" : "", uneven ? " uneven" : "", odd_values ? " odd values" : "",
                     static_cast<int>(groups), static_cast<int>(group_axis), static_cast<int>(codes));
    }
};

inline std::vector<float> random_codebook(Random& random, const WeightSpec& spec) {
    constexpr float kOdd[] = {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e30f};
    std::vector<float> codebook;
    for (int64_t i = 0; i < spec.groups * (spec.codes - 1); ++i) {
        const bool odd = spec.odd_values && std::bernoulli_distribution(0.1)(random);
        codebook.push_back(odd ? kOdd[random() % 3] : random_float(random));
    }
    return codebook;
}

// Some rows are left empty, and others are full.
inline SparseWeight random_weight(Random& random, const std::vector<int64_t>& shape, const WeightSpec& spec) {
    SparseWeight weight;
    weight.shape = shape;
    weight.groups = spec.groups;
    weight.group_axis = spec.group_axis;
    weight.codes_per_group = spec.codes - 1;
    weight.codebook = random_codebook(random, spec);
    const auto numel = static_cast<uint32_t>(weight.numel());
    const uint32_t row_length = shape[0] == 0 ? 0 : numel / static_cast<uint32_t>(shape[0]);
    const uint32_t lone = numel == 0 ? 0 : std::uniform_int_distribution<uint32_t>(0, numel - 1)(random);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::uniform_int_distribution<int> code(0, static_cast<int>(spec.codes) - 2);
    double density = spec.density;
    for (uint32_t position = 0; position < numel; ++position) {
        if (position % row_length == 0) {
            density = spec.uneven ? spec.density * std::pow(uniform(random), 4.0) : spec.density;
            if (uniform(random) < 0.1) density = spec.density > 0.0 && uniform(random) < 0.5 ? 1.0 : 0.0;
        }
        if (spec.lone ? position != lone : uniform(random) >= density) continue;
        weight.position.push_back(position);
        weight.code.push_back(static_cast<uint8_t>(code(random)));
    }
    return weight;
}

inline bool is_finite(const SparseWeight& weight) {
    for (const float value : weight.codebook)
        if (!std::isfinite(value)) return false;
    return true;
}

// Calls use(position, value) for each nonzero.
template <class Use>
void for_each_nonzero(const SparseWeight& weight, const Use& use) {
    const GroupOfPosition group_of(weight.shape, weight.groups, weight.group_axis);
    for (size_t i = 0; i < weight.position.size(); ++i) {
        const size_t row = group_of(weight.position[i]) * static_cast<size_t>(weight.codes_per_group);
        use(static_cast<int64_t>(weight.position[i]), static_cast<double>(weight.codebook[row + weight.code[i]]));
    }
}

// What lies where nothing may be written.
constexpr float kCanary = -77.0f;
constexpr size_t kCanaries = 16;  // after an array, where there are any

// An array in an allocation of exactly its size, so that sanitizers see every access outside.
struct Floats {
    explicit Floats(size_t size, float value = 0.0f) : size(size), data(new float[size]) {
        std::fill(data.get(), data.get() + size, value);
    }
    Floats(size_t size, Random& random) : Floats(size) {
        for (size_t i = 0; i < size; ++i) data[i] = random_float(random);
    }
    float& operator[](size_t i) { return data[i]; }
    float operator[](size_t i) const { return data[i]; }

    // Puts an infinity or a NaN at some random places.
    void spoil(Random& random, int64_t places) {
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        constexpr float kSpecial[] = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
        for (; size > 0 && places > 0; --places) data[random() % size] = kSpecial[random() % 3];
    }
    bool ends_with_canaries(size_t count) const {
        return std::all_of(data.get() + (size - count), data.get() + size, [](float f) { return f == kCanary; });
    }

    size_t size;
    std::unique_ptr<float[]> data;
};

// Every NaN counts as the same: which sign one has depends on the order in which the compiler lets two be added.
inline bool same_bits(const Floats& a, const Floats& b, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        const bool same = std::memcmp(&a.data[i], &b.data[i], sizeof(float)) == 0;
        if (!same && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
    }
    return true;
}

// Scratch memory of exactly the size asked for, full of NaNs, with some canaries after it.
struct ScratchMemory {
    explicit ScratchMemory(size_t nbytes, size_t canaries = 0)
        : memory(nullptr, std::free), end(nbytes / sizeof(float)) {
        void* allocated = nullptr;
        if (posix_memalign(&allocated, 64, nbytes + canaries * sizeof(float)) != 0) std::abort();
        memory.reset(static_cast<float*>(allocated));
        std::fill_n(memory.get(), end, std::numeric_limits<float>::quiet_NaN());
        std::fill_n(memory.get() + end, canaries, kCanary);
    }
    bool ends_with_canaries(size_t count) const {
        return std::all_of(memory.get() + end, memory.get() + end + count, [](float f) { return f == kCanary; });
    }

    std::unique_ptr<float, void (*)(void*)> memory;
    size_t end;
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

}  // namespace onnxdc
