#include "layouts/windows.h"

#include <algorithm>
#include <numeric>

#include "parallel/share.h"

namespace onnxdc {
namespace {

// Inputs of this many floats stay in a cache of 32 KB beside the steps that stream through it.
constexpr size_t kMaxTileColumns = 5120;

}  // namespace

// Appends the steps of one block in one tile after the other.
class Windows::Builder {
public:
    Builder(const SparseRows& matrix, Windows* windows) : matrix_(matrix), windows_(*windows), next_(matrix.start) {}

    void append(size_t tile, size_t block) {
        const auto tile_begin = static_cast<uint32_t>(tile * windows_.tile_columns_);
        const auto tile_end = static_cast<uint32_t>(std::min(windows_.columns_, tile_begin + windows_.tile_columns_));
        for (size_t lane = 0; lane < kLanes; ++lane)
            find_end(lane, windows_.row_of_lane_[block * kLanes + lane], tile_end);
        size_t step = 0;
        for (uint32_t base; (base = lowest_column()) != kNoColumn; ++step) {
            if (step % kStepsAtOnce == 0) append_three();
            windows_.base_[windows_.base_.size() - kStepsAtOnce + step % kStepsAtOnce] =
                static_cast<uint16_t>(base - tile_begin);
            for (size_t lane = 0; lane < kLanes; ++lane) fill_slots(lane, step % kStepsAtOnce, base);
        }
        // Where the last three are not full, their empty steps look at the tile's first window.
    }

private:
    static constexpr uint32_t kNoColumn = 0xffffffff;

    struct Lane {
        uint32_t* next = nullptr;  // its first nonzero without a slot
        uint32_t end = 0;          // its first nonzero beyond the tile
    };

    void find_end(size_t lane, uint32_t row, uint32_t tile_end) {
        lanes_[lane] = {};
        if (row == kNoRow) return;
        const auto begin = matrix_.column.begin();
        const auto end = std::lower_bound(begin + next_[row], begin + matrix_.start[row + 1], tile_end);
        lanes_[lane] = {&next_[row], static_cast<uint32_t>(end - begin)};
    }

    uint32_t lowest_column() const {
        uint32_t lowest = kNoColumn;
        for (const Lane& lane : lanes_) {
            if (lane.next && *lane.next < lane.end) lowest = std::min(lowest, matrix_.column[*lane.next]);
        }
        return lowest;
    }

    void append_three() {
        windows_.base_.resize(windows_.base_.size() + kStepsAtOnce);
        windows_.words_.resize(windows_.words_.size() + (windows_.coded_ ? 2 : 1) * kLanes);
        if (!windows_.coded_) windows_.floats_.resize(windows_.floats_.size() + kSlots * kLanes);
    }

    void fill_slots(size_t lane_index, size_t step, uint32_t base) {
        const Lane& lane = lanes_[lane_index];
        if (!lane.next) return;
        for (size_t slot = 2 * step; slot < 2 * step + 2; ++slot) {
            const uint32_t i = *lane.next;
            if (i >= lane.end || matrix_.column[i] >= base + kWindow) return;
            set_slot(lane_index, slot, matrix_.column[i] - base, matrix_.code[i]);
            ++*lane.next;
        }
    }

    void set_slot(size_t lane, size_t slot, uint32_t index, uint32_t code) {
        if (windows_.coded_) {
            uint32_t* words = windows_.words_.data() + windows_.words_.size() - 2 * kLanes;
            words[slot / 3 * kLanes + lane] |= (index | code << 5) << (slot % 3 * 10);
        } else {
            windows_.words_[windows_.words_.size() - kLanes + lane] |= index << (slot * 5);
            windows_.floats_[windows_.floats_.size() - (kSlots - slot) * kLanes + lane] = matrix_.values[code];
        }
    }

    const SparseRows& matrix_;
    Windows& windows_;
    std::vector<uint32_t> next_;  // of each row
    std::array<Lane, kLanes> lanes_;
};

Windows::Windows(const SparseRows& matrix)
    : rows_(matrix.rows),
      columns_(matrix.columns),
      blocks_(divide_up(rows_, kLanes)),
      tiles_(std::max<size_t>(1, divide_up(columns_, kMaxTileColumns))),
      tile_columns_(divide_up(columns_, tiles_)),
      coded_(matrix.values.size() <= kMaxCodes),
      row_of_lane_(blocks_ * kLanes, kNoRow) {
    const auto rows_end = row_of_lane_.begin() + static_cast<std::ptrdiff_t>(rows_);
    std::iota(row_of_lane_.begin(), rows_end, 0);
    std::stable_sort(row_of_lane_.begin(), rows_end, [&](uint32_t a, uint32_t b) {
        return matrix.start[a + 1] - matrix.start[a] < matrix.start[b + 1] - matrix.start[b];
    });
    if (coded_) {
        values_.assign(matrix.values.begin(), matrix.values.end());
        values_.resize(kMaxCodes);
    }
    Builder builder(matrix, this);
    for (size_t tile = 0; tile < tiles_; ++tile) {
        for (size_t block = 0; block < blocks_; ++block) {
            start_.push_back(static_cast<uint32_t>(base_.size() / kStepsAtOnce));
            builder.append(tile, block);
        }
    }
    start_.push_back(static_cast<uint32_t>(base_.size() / kStepsAtOnce));
    base_.shrink_to_fit();
    words_.shrink_to_fit();
    floats_.shrink_to_fit();
}

}  // namespace onnxdc
