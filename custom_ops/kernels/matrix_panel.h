// Sparse matrix product on vectors of rows of x.
#pragma once

#include "kernels/matrix.h"
#include "layouts/tiles.h"
#include "simd/panel.h"

namespace onnxdc {

// For a block of rows of x, the columns of one tile are transposed into a panel [columns of the tile][rows of x], small
// enough for the nearest cache; every output then adds up its nonzeros over vectors of rows.
class PanelMatrix final : public SparseMatrix {
public:
    // Made for that many rows of x, or for any number if it is 0.
    PanelMatrix(const SparseRows& weight, const PanelKernels& kernels, int64_t expected_rows)
        : tiles_(weight, 0, weight.rows, vectors(expected_rows)), kernels_(kernels) {}

    int64_t inputs() const override { return static_cast<int64_t>(tiles_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(tiles_.rows()); }
    Isa isa() const override { return kernels_.isa; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    // Of 64 bytes, in the panels that the tiles are made for: few vectors go with wide tiles.
    static size_t vectors(int64_t expected_rows);

    struct Plan;
    struct Worker;

    void run_block(const MatrixRun& run, const Plan& plan, Range rows, Range bands, const Worker& worker) const;
    void load_panel(const MatrixRun& run, Range rows, size_t first_column, size_t columns, float* panel,
                    size_t pitch) const;

    const SparseTiles tiles_;
    const PanelKernels& kernels_;
};

}  // namespace onnxdc
