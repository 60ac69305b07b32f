// The layout of layers on integers for AVX-512 with VBMI: every nonzero once, in windows that stay within their span.
#include <map>
#include <utility>

#include "check.h"
#include "layouts/lanes.h"
#include "random_integers.h"

using namespace onnxdc;

namespace {

// Every row of a band has a place of its own.
void check_places(const WindowLanes& lanes, size_t band, std::map<size_t, size_t>* row_of_place) {
    for (size_t row = lanes.first_row_of_band(band); row < lanes.first_row_of_band(band + 1); ++row) {
        const size_t place = lanes.places(band)[row - lanes.first_row_of_band(band)];
        CHECK(place < WindowLanes::kBandRows && row_of_place->emplace(place, row).second);
    }
}

void test_case(size_t rows, size_t columns, size_t span_columns, size_t tile_spans, double density) {
    Random random(static_cast<uint32_t>(rows + columns));
    const IntegerRows matrix = random_integers(random, rows, columns, density, 127);
    const size_t first_row = rows / 3, row_count = rows - first_row;
    const WindowLanes lanes(matrix, first_row, row_count, span_columns, tile_spans);
    CHECK(lanes.rows() == row_count && lanes.columns() == columns);
    std::map<std::pair<size_t, size_t>, int> expected, found;
    for (size_t row = first_row; row < rows; ++row) {
        for (uint32_t i = matrix.start[row]; i < matrix.start[row + 1]; ++i)
            expected[{row - first_row, matrix.column[i]}] = matrix.value[i];
    }
    size_t steps = 0;
    for (size_t tile = 0; tile < lanes.tiles(); ++tile) {
        for (size_t b = 0; b < lanes.bands(); ++b) {
            std::map<size_t, size_t> row_of_place;
            check_places(lanes, b, &row_of_place);
            const LaneBand band = lanes.band(tile, b);
            for (size_t block = 0; block < WindowLanes::kBandBlocks; ++block) {
                for (size_t step = band.start[block]; step < band.start[block + 1]; ++step, ++steps) {
                    const size_t base = band.base[step], span = base / span_columns;
                    CHECK(base < columns && base % span_columns % WindowLanes::kBaseUnit == 0);
                    CHECK(span / tile_spans == tile);
                    for (size_t slot = 0; slot < sizeof band.step[step].index; ++slot) {
                        const int weight = band.step[step].weight[slot];
                        const size_t index = band.step[step].index[slot], column = base + index;
                        CHECK(index < WindowLanes::kWindow);
                        if (weight == 0) continue;
                        CHECK(column / span_columns == span);
                        const size_t place = block * WindowLanes::kLanes + slot / WindowLanes::kSlots;
                        CHECK(row_of_place.count(place) == 1);
                        found[{row_of_place[place], column}] += weight;
                    }
                }
            }
        }
    }
    CHECK(found == expected && steps == lanes.steps());
}

// Rows of very different lengths: as few steps as the longest one of each block takes.
void test_sorted() {
    IntegerRows matrix;
    matrix.rows = 64;
    matrix.columns = 64;
    matrix.start.push_back(0);
    for (uint32_t row = 0; row < 64; ++row) {
        for (uint32_t column = 0; column < (row % 4 == 0 ? 64 : 4); ++column) {
            matrix.column.push_back(column);
            matrix.value.push_back(1);
        }
        matrix.start.push_back(static_cast<uint32_t>(matrix.column.size()));
    }
    CHECK(WindowLanes(matrix, 0, 64, 64, 1).steps() == 16 + 3);
}

}  // namespace

int main() {
    for (const size_t rows : {1, 64, 97, 200}) {
        for (const size_t columns : {1, 3, 32, 33, 65, 600}) {
            for (const double density : {0.0, 0.05, 1.0}) {
                test_case(rows, columns, columns, 1, density);
                for (const size_t span : {1, 20, 64, 70}) test_case(rows, columns, span, columns, density);
                test_case(rows, columns, 128, 1, density);
                test_case(rows, columns, 40, 3, density);
            }
        }
    }
    test_case(300, 600, 600, 1, 0.5);  // so many nonzeros that threads share the work
    test_case(10, 0, 64, 1, 0.5);
    test_case(0, 10, 64, 1, 0.5);
    test_sorted();
    return check::finish();
}
