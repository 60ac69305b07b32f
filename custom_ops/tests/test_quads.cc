// The layout of layers on integers: every nonzero once, and no pair that leaves 16 bits.
#include <map>
#include <utility>

#include "check.h"
#include "layouts/quads.h"
#include "random_integers.h"

using namespace onnxdc;

namespace {

void test_case(size_t rows, size_t columns, double density, int most) {
    Random random(static_cast<uint32_t>(rows + columns));
    const IntegerRows matrix = random_integers(random, rows, columns, density, most);
    const size_t first_row = rows / 3, row_count = rows - first_row;
    const QuadTiles tiles(matrix, first_row, row_count);
    CHECK(tiles.rows() == row_count && tiles.columns() == columns);
    std::map<std::pair<size_t, size_t>, int> expected, found;
    for (size_t row = first_row; row < rows; ++row) {
        for (uint32_t i = matrix.start[row]; i < matrix.start[row + 1]; ++i)
            expected[{row - first_row, matrix.column[i]}] = matrix.value[i];
    }
    for (size_t tile = 0; tile < tiles.tiles(); ++tile) {
        for (size_t band = 0; band < tiles.bands(); ++band) {
            const QuadBlock block = tiles.block(tile, band);
            const Quad* quad = block.quads;
            for (size_t r = 0; r < block.row_count; ++r) {
                const size_t row = tiles.first_row_of_band(band) + block.rows[r].row;
                CHECK(block.rows[r].quads > 0 && row < tiles.first_row_of_band(band + 1));
                for (const Quad* end = quad + block.rows[r].quads; quad < end; ++quad) {
                    CHECK(std::abs(quad->weight[0]) + std::abs(quad->weight[1]) <= 128);
                    CHECK(std::abs(quad->weight[2]) + std::abs(quad->weight[3]) <= 128);
                    for (int slot = 0; slot < 4; ++slot) {
                        const size_t column = tile * tiles.tile_columns() + quad->column[slot];
                        CHECK(column < columns);
                        if (quad->weight[slot] != 0) found[{row, column}] += quad->weight[slot];
                    }
                }
            }
        }
    }
    CHECK(found == expected);
}

}  // namespace

int main() {
    for (const size_t rows : {1, 2, 129, 300}) {
        for (const size_t columns : {1, 3, 896, 897, 2000}) {
            for (const int most : {1, 40, 64, 65, 127}) {
                for (const double density : {0.0, 0.05, 1.0}) test_case(rows, columns, density, most);
            }
        }
    }
    return check::finish();
}
