#include "kernels/matrix.h"

#include <mutex>

#include "kernels/matrix_panel.h"
#include "kernels/matrix_scalar.h"
#include "kernels/matrix_window.h"

namespace onnxdc {
namespace {

// Windows, which are for few rows of x. The layout for many is made from them when it is first needed.
class FewRowsMatrix final : public SparseMatrix {
public:
    FewRowsMatrix(const SparseRows& weight, const WindowKernels& window, const PanelKernels& panel)
        : few_(weight, window), few_rows_(window.few_rows), panel_(panel) {}

    int64_t inputs() const override { return few_.inputs(); }
    int64_t outputs() const override { return few_.outputs(); }
    Isa isa() const override { return few_.isa(); }
    size_t scratch_nbytes(int64_t m, size_t workers) const override { return layout_for(m).scratch_nbytes(m, workers); }
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override {
        layout_for(run.m).run(run, scratch, executor);
    }

private:
    const SparseMatrix& layout_for(int64_t m) const {
        if (m <= few_rows_) return few_;
        std::call_once(many_made_, [&] { many_ = std::make_unique<PanelMatrix>(few_.to_rows(), panel_, 0); });
        return *many_;
    }

    const WindowMatrix few_;
    const int64_t few_rows_;
    const PanelKernels& panel_;
    mutable std::once_flag many_made_;
    mutable std::unique_ptr<const PanelMatrix> many_;
};

}  // namespace

std::unique_ptr<SparseMatrix> SparseMatrix::create(SparseWeight weight, bool transposed, Isa isa,
                                                   int64_t expected_rows) {
    const bool empty = weight.numel() == 0;
    SparseRows rows = transposed ? rows_of(std::move(weight)) : transposed_rows_of(weight);
    weight = {};
    const PanelKernels* kernels = panel_kernels(isa);
    if (!kernels || empty) return std::make_unique<ScalarMatrix>(std::move(rows));
    const WindowKernels* window = window_kernels(isa);
    if (window && expected_rows <= window->few_rows && rows.column.size() <= window->max_nonzeros)
        return std::make_unique<FewRowsMatrix>(rows, *window, *kernels);
    return std::make_unique<PanelMatrix>(rows, *kernels, expected_rows);
}

}  // namespace onnxdc
