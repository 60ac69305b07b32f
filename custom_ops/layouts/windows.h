// The execution layout of products with one vector, or a few, where registers can be indexed (AVX-512, AVX2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "layouts/aligned.h"
#include "layouts/rows.h"
#include "layouts/window_schedule.h"

namespace onnxdc {

// How a layout is cut to the registers that it is made for, and how its slots are packed.
struct WindowForm {
    // Steps come in threes, each with two slots for every lane.
    static constexpr size_t kStepsAtOnce = 3;
    static constexpr size_t kSlotsOfStep = 2;
    static constexpr size_t kSlots = kStepsAtOnce * kSlotsOfStep;

    size_t lanes;         // so many rows lie next to each other
    uint32_t index_bits;  // 2^index_bits consecutive inputs are a window
    uint32_t code_bits;   // registers hold 2^code_bits values of a matrix; 0 if they hold none

    constexpr size_t window() const { return size_t{1} << index_bits; }
    // The values that a coded layout can tell apart.
    constexpr size_t max_codes() const { return code_bits == 0 ? 0 : size_t{1} << code_bits; }

    // Where a lane has a slot of three steps: in which of its words, and from which bit on. There the index begins, and
    // above it the code, if there is one. As many slots as fit share a word.
    struct Place {
        size_t word;
        uint32_t bit;
    };
    constexpr Place place(size_t slot, bool coded) const {
        const uint32_t bits = index_bits + (coded ? code_bits : 0);
        const size_t slots_of_word = 32 / bits;
        return {slot / slots_of_word, static_cast<uint32_t>(slot % slots_of_word) * bits};
    }
    // Words that a lane has for three steps.
    constexpr size_t words(bool coded) const { return place(kSlots - 1, coded).word + 1; }
};

// For 16 lanes and windows of 32 inputs: two registers hold a window, and two all values of a 5-bit codebook.
constexpr WindowForm kWideWindows{16, 5, 5};
// For 8 lanes and windows of 16 inputs, two registers again.
constexpr WindowForm kNarrowWindows{8, 4, 0};

// A sparse matrix as a sequence of steps. The rows are sorted by their number of nonzeros; each `lanes` that follow
// each other are a block, in which a row is a lane. A step loads a window of consecutive inputs into two registers;
// each lane then uses up to two of its next nonzeros that meet the window, its two slots of the step. A slot is an
// index into the window and the nonzero's value, which is a code where the matrix has at most max_codes() values, else
// a float. Of three steps a lane has
//   coded:   2 words: slots 0..2 and 3..5, from the lowest bits: index and code of each
//   floats:  1 word: the six indices, from the lowest bits; and 6 floats
// A slot without a nonzero has the value 0. Columns are cut into tiles whose inputs stay in the nearest cache; the
// steps lie tile by tile, in a tile block by block.
class Windows {
public:
    static constexpr size_t kMaxLanes = WindowSchedule::kMaxLanes;
    static constexpr uint32_t kNoRow = WindowSchedule::kNoRow;

    // A tile, for the inner loops: plain pointers, nothing that the standard library compiles.
    struct Tile {
        const uint32_t* start;  // [blocks + 1], where blocks start in the arrays below, in threes of steps
        const uint16_t* base;   // [threes, kStepsAtOnce], where the window starts, counted from the tile's first column
        const uint32_t* words;  // [threes, form.words(coded), lanes]
        const float* floats;    // [threes, kSlots, lanes] unless coded
        const float* values;    // the values of the matrix; if coded, with zeros up to max_codes()
    };

    Windows(const SparseRows& matrix, const WindowForm& form);

    // The matrix again, but for nonzeros whose value is +0.0.
    SparseRows to_rows() const;

    const WindowForm& form() const { return form_; }
    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t blocks() const { return blocks_; }
    size_t tiles() const { return tiles_; }
    // Every tile has so many, but for the last, which may have fewer.
    size_t tile_columns() const { return tile_columns_; }
    bool coded() const { return coded_; }
    // The row of each lane, [blocks, lanes]; kNoRow for a lane without one.
    const uint32_t* row_of_lane() const { return row_of_lane_.data(); }

    Tile tile(size_t tile) const {
        return {start_.data() + tile * blocks_, base_.data(), words_.data(), floats_.data(), values_.data()};
    }

private:
    // A unit is one block in one tile.
    WindowSchedule schedule_of(const SparseRows& matrix, size_t unit) const;
    ColumnWindow window_of(const WindowSchedule& schedule) const {
        return {schedule.lowest(), static_cast<uint32_t>(form_.window())};
    }
    uint32_t count_threes(const SparseRows& matrix, size_t unit) const;
    void fill_coded(const SparseRows& matrix, size_t unit);
    void fill_floats(const SparseRows& matrix, size_t unit);
    // For a slot that is counted through all threes: the first lane's word that has it, and from which bit on.
    size_t first_word(size_t slot) const {
        return (slot / WindowForm::kSlots * words_of_lane_ + places_[slot % WindowForm::kSlots].word) * form_.lanes;
    }
    uint32_t first_bit(size_t slot) const { return places_[slot % WindowForm::kSlots].bit; }
    template <class Visit>
    void for_each_slot(size_t block, const Visit& visit) const;

    const WindowForm form_;
    size_t rows_, columns_, blocks_, tiles_, tile_columns_;
    bool coded_;
    size_t words_of_lane_;                          // a lane has so many words for three steps
    WindowForm::Place places_[WindowForm::kSlots];  // where each slot of three steps lies in them
    std::vector<uint32_t> row_of_lane_;
    std::vector<uint32_t> start_;
    std::vector<uint16_t> base_;
    AlignedVector<uint32_t> words_;
    AlignedVector<float> floats_;
    AlignedVector<float> values_;
};

}  // namespace onnxdc
