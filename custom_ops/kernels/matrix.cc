#include "kernels/matrix.h"

#include "kernels/matrix_panel.h"
#include "kernels/matrix_scalar.h"
#include "kernels/matrix_window.h"

namespace onnxdc {
namespace {

// Two layouts of one weight: the first for up to `few_rows` rows of x.
class SplitMatrix final : public SparseMatrix {
public:
    SplitMatrix(std::unique_ptr<SparseMatrix> few, std::unique_ptr<SparseMatrix> many, int64_t few_rows)
        : few_(std::move(few)), many_(std::move(many)), few_rows_(few_rows) {}

    int64_t inputs() const override { return few_->inputs(); }
    int64_t outputs() const override { return few_->outputs(); }
    Isa isa() const override { return few_->isa(); }
    size_t scratch_nbytes(int64_t m, size_t workers) const override { return layout_for(m).scratch_nbytes(m, workers); }
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override {
        layout_for(run.m).run(run, scratch, executor);
    }

private:
    const SparseMatrix& layout_for(int64_t m) const { return m <= few_rows_ ? *few_ : *many_; }

    const std::unique_ptr<SparseMatrix> few_, many_;
    const int64_t few_rows_;
};

}  // namespace

std::unique_ptr<SparseMatrix> SparseMatrix::create(const SparseWeight& weight, bool transposed, Isa isa) {
    SparseRows rows = transposed ? rows_of(weight) : transposed_rows_of(weight);
    const PanelKernels* kernels = panel_kernels(isa);
    if (!kernels || weight.numel() == 0) return std::make_unique<ScalarMatrix>(std::move(rows));
    auto panel = std::make_unique<PanelMatrix>(rows, *kernels);
#if defined(__x86_64__)
    // Measured: 16 rows take the same time either way, four rows at a time in windows or all at once in a panel of 16
    // lanes.
    constexpr int64_t kFewRows = 12;
    if (isa == Isa::kAvx512) {
        return std::make_unique<SplitMatrix>(std::make_unique<WindowMatrix>(rows, window_kernels_avx512()),
                                             std::move(panel), kFewRows);
    }
#endif
    return panel;
}

}  // namespace onnxdc
