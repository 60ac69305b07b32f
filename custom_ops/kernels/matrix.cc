#include "kernels/matrix.h"

#include "kernels/few_rows_matrix.h"
#include "kernels/matrix_panel.h"
#include "kernels/matrix_scalar.h"
#include "kernels/matrix_window.h"

namespace onnxdc {
std::unique_ptr<SparseMatrix> SparseMatrix::create(SparseWeight weight, bool transposed, Isa isa,
                                                   int64_t expected_rows) {
    const bool empty = weight.numel() == 0;
    SparseRows rows = transposed ? rows_of(std::move(weight)) : transposed_rows_of(weight);
    weight = {};
    const PanelKernels* kernels = panel_kernels(isa);
    if (!kernels || empty) return std::make_unique<ScalarMatrix>(std::move(rows));
    const WindowKernels* window = window_kernels(isa);
    if (window && expected_rows <= window->few_rows && rows.column.size() <= window->max_nonzeros) {
        auto few = std::make_unique<const WindowMatrix>(rows, *window);
        const auto make_many = [kernels, from = few.get()] {
            return std::make_unique<const PanelMatrix>(from->to_rows(), *kernels, 0);
        };
        return std::make_unique<FewRowsMatrix>(std::move(few), window->few_rows, make_many);
    }
    return std::make_unique<PanelMatrix>(rows, *kernels, expected_rows);
}

}  // namespace onnxdc
