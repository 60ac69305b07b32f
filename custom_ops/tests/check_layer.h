// What every layer is held to in one instruction set: outputs near those in float64, the same from every executor.
#pragma once

#include <cstdio>
#include <vector>

#include "check.h"
#include "expected.h"
#include "isa/isa.h"
#include "random_weight.h"
#include "simd/panel.h"

namespace onnxdc {

// Those of this machine that layers on floats have kernels of their own for.
inline std::vector<Isa> isas_of_floats() {
    std::vector<Isa> isas;
    for (const Isa isa : supported_isas())
        if (isa == Isa::kScalar || panel_kernels(isa)->isa == isa) isas.push_back(isa);
    return isas;
}

// Runs a layer before canaries, then in allocations of exactly their size. `wanted` is whose kernels should run where
// `isa` was asked for; compare(y) answers how far the outputs are. Adds that to `worst` if there is one. Says what
// failed, and answers whether nothing did.
template <class Case, class Layer, class Run, class Compare>
bool check_layer(const Case& c, const Layer& layer, const Run& run, Isa isa, Isa wanted, uint32_t seed, Worst* worst,
                 const Compare& compare) {
    const int failures = check::failures;
    CHECK(layer.inputs() == c.inputs && layer.outputs() == c.outputs);
    CHECK(layer.isa() == wanted);
    SerialExecutor serial;
    const Floats y = run_once(layer, run, serial, kCanaries);
    const Worst error = compare(y);
    CHECK(error.acceptable());
    if (worst) worst->add(error);
    for (size_t i = 0; i < c.workers.size() && failures == check::failures; ++i) {
        BackwardExecutor backward(c.workers[i]);
        const Floats again = run_once(layer, run, backward);
        CHECK(same_bits(y, again, again.size));
    }
    if (failures == check::failures) return true;
    std::fprintf(stderr, "  %s, seed %u\n", isa_name(isa), seed);
    c.print();
    return false;
}

}  // namespace onnxdc
