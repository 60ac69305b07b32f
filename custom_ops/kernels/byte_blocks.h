// The cut of a run's pixels, or rows of x, into blocks of lanes of bytes, and what a worker computes of one of them.
#pragma once

#include <vector>

#include "kernels/input_range.h"
#include "kernels/scratch.h"
#include "layouts/quads.h"
#include "parallel/range.h"
#include "simd/quads.h"

namespace onnxdc {

// Wide blocks, and a narrow one for a rest that fits it, which takes half the time. The cut does not depend on the
// number of threads.
class ByteBlocks {
public:
    ByteBlocks(const QuadKernels& kernels, size_t positions);

    size_t count() const { return wide_ + narrow_; }
    const BytePanelKernels& kernels(size_t block) const { return block < wide_ ? kernels_.wide : kernels_.narrow; }
    Range positions(size_t block) const;

private:
    const QuadKernels& kernels_;
    size_t positions_, wide_, narrow_;
};

// The arrays of one worker.
struct ByteWorker {
    // Panels of so many columns; bytes beyond them may be written, and are.
    ByteWorker(const QuadKernels& kernels, size_t columns, ScratchCut* scratch);

    // What lanes `first` .. of the block stand for; the lanes from `count` on stand for nothing.
    void set_lane(size_t lane, const InputRange& range) const;
    void clear_lanes(size_t from, size_t to) const;

    uint8_t* panel;  // [columns, lanes]
    int32_t* sums;   // [rows of a band, lanes]
    float* outputs;  // likewise
    int32_t* zero;   // [lanes]
    float* scale;    // [lanes]
};

// The outputs of one band of rows, from a full panel: [rows of the band][lanes], in worker.outputs. `rows` are those of
// all bands.
void multiply_band(const QuadTiles& tiles, size_t band, const BytePanelKernels& kernels, const ByteWorker& worker,
                   const ByteRows& rows);

}  // namespace onnxdc
