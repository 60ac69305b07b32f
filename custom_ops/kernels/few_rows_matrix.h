// Two layouts of a matrix: one for few rows of x, and one for many.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "kernels/matrix.h"

namespace onnxdc {

// The layout for few rows; that for many is made from it when it is first needed.
class FewRowsMatrix final : public SparseMatrix {
public:
    using MakeMany = std::function<std::unique_ptr<const SparseMatrix>()>;

    // `few` serves up to `few_rows` rows of x.
    FewRowsMatrix(std::unique_ptr<const SparseMatrix> few, int64_t few_rows, MakeMany make_many)
        : few_(std::move(few)), few_rows_(few_rows), make_many_(std::move(make_many)) {}

    int64_t inputs() const override { return few_->inputs(); }
    int64_t outputs() const override { return few_->outputs(); }
    Isa isa() const override { return few_->isa(); }
    size_t scratch_nbytes(int64_t m, size_t workers) const override { return layout_for(m).scratch_nbytes(m, workers); }
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override {
        layout_for(run.m).run(run, scratch, executor);
    }

private:
    const SparseMatrix& layout_for(int64_t m) const {
        if (m <= few_rows_) return *few_;
        std::call_once(many_made_, [&] { many_ = make_many_(); });
        return *many_;
    }

    const std::unique_ptr<const SparseMatrix> few_;
    const int64_t few_rows_;
    const MakeMany make_many_;
    mutable std::once_flag many_made_;
    mutable std::unique_ptr<const SparseMatrix> many_;
};

}  // namespace onnxdc
