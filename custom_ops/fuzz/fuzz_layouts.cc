// Any sparse weight of two dimensions: every layout holds its nonzeros, no more and no less.
#include <cstring>
#include <map>

#include "fuzz/input.h"
#include "layouts/rows.h"
#include "layouts/tiles.h"
#include "layouts/windows.h"

using namespace onnxdc;
using fuzz::Input;

namespace {

using Cell = std::pair<size_t, size_t>;  // row and column
using Cells = std::map<Cell, float>;

// Distances between nonzeros and their codes come from the bytes, two a nonzero.
SparseWeight read_weight(Input* input) {
    SparseWeight weight;
    const auto rows = input->any(0, 700), columns = input->any(0, input->one_in(8) ? 12000 : 700);
    weight.shape = {rows, columns};
    weight.codes_per_group = input->any(1, 256);
    weight.group_axis = input->any(0, 1);
    const int64_t length = weight.shape[static_cast<size_t>(weight.group_axis)];
    const int64_t parts = input->any(1, 8);
    weight.groups = length > 0 && length % parts == 0 ? parts : 1;
    for (int64_t i = 0; i < weight.groups * weight.codes_per_group; ++i)
        weight.codebook.push_back(static_cast<float>(1 + i));
    const int64_t spacing = input->any(1, 60), numel = weight.numel();
    for (int64_t position = input->byte(); position < numel && input->left() > 0;) {
        const int64_t code = input->byte() % weight.codes_per_group;
        weight.position.push_back(static_cast<uint32_t>(position));
        weight.code.push_back(static_cast<uint8_t>(code));
        position += 1 + input->byte() * spacing / 16;
    }
    return weight;
}

Cells cells_of(const SparseWeight& weight, bool transposed) {
    Cells cells;
    const GroupOfPosition group_of(weight.shape, weight.groups, weight.group_axis);
    for (size_t i = 0; i < weight.position.size(); ++i) {
        const auto columns = static_cast<uint32_t>(weight.shape[1]);
        const size_t row = weight.position[i] / columns, column = weight.position[i] % columns;
        const size_t codes = group_of(weight.position[i]) * static_cast<size_t>(weight.codes_per_group);
        cells[transposed ? Cell{column, row} : Cell{row, column}] = weight.codebook[codes + weight.code[i]];
    }
    return cells;
}

Cells cells_of(const SparseRows& rows) {
    Cells cells;
    REQUIRE(rows.start.size() == rows.rows + 1 && rows.start[rows.rows] == rows.column.size());
    for (size_t row = 0; row < rows.rows; ++row) {
        for (uint32_t i = rows.start[row]; i < rows.start[row + 1]; ++i) {
            REQUIRE(rows.column[i] < rows.columns && rows.code[i] < rows.values.size());
            REQUIRE(cells.emplace(Cell{row, rows.column[i]}, rows.values[rows.code[i]]).second);
        }
    }
    return cells;
}

Cells cells_of(const SparseTiles& tiles, size_t first_row) {
    Cells cells;
    for (size_t tile = 0; tile < tiles.tiles(); ++tile) {
        for (size_t band = 0; band < tiles.bands(); ++band) {
            const TileBlock block = tiles.block(tile, band);
            size_t entry = 0;
            for (size_t r = 0; r < block.row_count; ++r) {
                const size_t row = first_row + tiles.first_row_of_band(band) + block.rows[r].row;
                for (size_t end = entry + block.rows[r].entries; entry < end; ++entry) {
                    const size_t column = tile * tiles.tile_columns() + block.columns[entry];
                    REQUIRE(cells.emplace(Cell{row, column}, block.values[entry]).second);
                }
            }
        }
    }
    return cells;
}

// The layouts of a matrix, the tiles for a part of its rows too.
void check_layouts(const SparseRows& rows, const Cells& expected, size_t vectors, size_t parts) {
    REQUIRE(cells_of(rows) == expected);
    for (const WindowForm& form : {kWideWindows, kNarrowWindows})
        REQUIRE(cells_of(Windows(rows, form).to_rows()) == expected);
    Cells all;
    for (size_t part = 0; part < parts; ++part) {
        const size_t first = rows.rows * part / parts, end = rows.rows * (part + 1) / parts;
        all.merge(cells_of(SparseTiles(rows, first, end - first, vectors), first));
    }
    REQUIRE(all == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const auto vectors = static_cast<size_t>(input.any(1, 8)), parts = static_cast<size_t>(input.any(1, 3));
    const SparseWeight weight = read_weight(&input);
    check_layouts(rows_of(weight), cells_of(weight, false), vectors, parts);
    check_layouts(transposed_rows_of(weight), cells_of(weight, true), vectors, parts);
    return 0;
}
