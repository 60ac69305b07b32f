// The execution layout of products on bytes with one vector, or two, where two registers can be indexed as 128 bytes
// (AVX-512 with VBMI).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/aligned.h"
#include "layouts/integer_rows.h"
#include "layouts/window_schedule.h"

namespace onnxdc {

// A sparse matrix of integers as a sequence of steps. The rows are sorted by their number of nonzeros; each 16 that
// follow each other are a block, in which a row is a lane. A step loads a window of 128 consecutive inputs into two
// registers; each lane then uses up to four of its next nonzeros that meet the window, its slots of the step: byte
// 4 lane + slot of a register. A slot is an index into the window and a weight. Steps lie in pairs, block by block:
//   coded:   64 bytes for each step: the index, and above it the highest of the five bits of a code; then 64 bytes
//            with the other four bits, those of the first step below those of the second
//   bytes:   64 bytes for each step: the index; then 64 bytes for each step: the weight
// A block is coded if its rows have few distinct integers. Rows that have the same scale often do, since one codebook
// is behind them: those with the scale that most rows have come first. A slot without a nonzero has the weight 0.
class ByteWindows {
public:
    static constexpr size_t kLanes = 16;
    static constexpr size_t kSlots = 4;
    static constexpr size_t kSlotsOfStep = kLanes * kSlots;
    static constexpr size_t kWindow = 128;
    static constexpr size_t kCodes = 32;  // code 0 is the weight 0
    static constexpr size_t kMaxColumns = 1 << 16;
    static constexpr uint32_t kNoRow = WindowSchedule::kNoRow;

    // A block, for the inner loops: plain pointers, nothing that the standard library compiles.
    struct Block {
        const uint8_t* pairs;  // what the block has of them, one after the other
        const uint16_t* base;  // [pair_count, 2], where the windows start
        size_t pair_count;
        const int8_t* weights;  // those of the codes, twice; null if the block is not coded
    };

    // Of a matrix with kMaxColumns columns at most.
    explicit ByteWindows(const IntegerRows& matrix);

    // The nonzeros of the matrix again, but neither scales nor sums.
    IntegerRows to_rows() const;

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t blocks() const { return coded_.size(); }
    // The row of each lane, [blocks, kLanes]; kNoRow for a lane without one.
    const uint32_t* row_of_lane() const { return row_of_lane_.data(); }
    // How many pairs of steps come before a block, [blocks + 1].
    const std::vector<uint32_t>& first_pair() const { return first_pair_; }

    Block block(size_t block) const {
        return {pairs_.data() + first_byte_[block], base_.data() + size_t{2} * first_pair_[block],
                first_pair_[block + 1] - first_pair_[block],
                coded_[block] ? weights_.data() + block * kWeightsOfBlock : nullptr};
    }

private:
    static constexpr size_t kCodedPair = 3 * kSlotsOfStep, kBytesPair = 4 * kSlotsOfStep;
    static constexpr size_t kWeightsOfBlock = 2 * kCodes;
    using Codes = uint8_t[256];  // by the integer as a byte

    void sort_rows(const IntegerRows& matrix);
    WindowSchedule schedule_of(const IntegerRows& matrix, size_t block) const;
    bool give_codes(const IntegerRows& matrix, size_t block, Codes codes) const;
    uint32_t count_pairs(const IntegerRows& matrix, size_t block) const;
    void fill(const IntegerRows& matrix, size_t block);
    template <class Visit>
    void for_each_nonzero(size_t block, const Visit& visit) const;

    size_t rows_, columns_;
    std::vector<uint32_t> row_of_lane_;
    std::vector<uint8_t> coded_;        // [blocks], of 0 and 1
    std::vector<uint32_t> first_pair_;  // [blocks + 1]
    std::vector<size_t> first_byte_;    // [blocks + 1], into pairs_
    std::vector<uint16_t> base_;        // [pairs, 2]
    AlignedVector<uint8_t> pairs_;
    AlignedVector<int8_t> weights_;  // [blocks, 2, kCodes]
};

}  // namespace onnxdc
