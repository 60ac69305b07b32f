#include "decoder/entries.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <numeric>

namespace onnxdc {
namespace {

Range entries_of_run(size_t number, size_t count) {
    return {number * Entries::kRun, std::min(count, (number + 1) * Entries::kRun)};
}

// The first verdict that names a rule, if any does.
Verdict first_of(const std::vector<Verdict>& verdicts) {
    const auto first = std::find_if(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.has_value(); });
    return first == verdicts.end() ? Verdict{} : *first;
}

// Adds the lower bits of entries first .. first + count - 1, of `entries`, to their codes.
void add_low_bits(const uint8_t* low_bits, size_t entries, size_t first, size_t count, uint8_t* codes) {
    const size_t half = divide_up(entries, 2), end = first + count;
    const size_t middle = std::clamp(half, first, end);
    for (size_t i = first; i < middle; ++i)
        codes[i - first] = static_cast<uint8_t>(codes[i - first] + (low_bits[i] & 15));
    for (size_t i = middle; i < end; ++i)
        codes[i - first] = static_cast<uint8_t>(codes[i - first] + (low_bits[i - half] >> 4));
}

}  // namespace

Verdict Entries::decode(const CheckedGroup& group, const PacketDecoder& codes, const PacketDecoder& gaps) {
    count_ = static_cast<size_t>(group.entries);
    if (count_ == 0) return {};
    if (Verdict broken = decode_symbols("codes", codes, group.codes, count_, &codes_)) return broken;
    if (Verdict broken = finish_codes(group)) return broken;
    if (!group.has_gaps()) {
        ones_.assign(std::min(count_, kRun), 1);
        for (size_t number = 0; number < run_count(); ++number)
            position_.push_back(static_cast<uint32_t>(number * kRun) - 1);
        end_ = static_cast<uint32_t>(count_);
        return {};
    }
    if (Verdict broken = decode_symbols("gaps", gaps, group.gaps, count_, &gaps_)) return broken;
    return find_positions(group.numel);
}

Verdict Entries::finish_codes(const CheckedGroup& group) {
    std::vector<Verdict> broken(run_count());
    ThreadExecutor().parallel_for(run_count(), [&](size_t number) {
        const Range range = entries_of_run(number, count_);
        uint8_t* codes = codes_.values.data() + range.begin;
        const size_t count = range.end - range.begin;
        if (group.low_bits) add_low_bits(group.low_bits, count_, range.begin, count, codes);
        uint8_t largest = 0;
        for (size_t i = 0; i < count; ++i) largest = std::max(largest, codes[i]);
        if (largest >= group.codes_per_group) {
            broken[number] = violation(Rule::code, "code %d of a codebook of %" PRId64 " in entries %zu to %zu",
                                       largest, group.codes_per_group, range.begin, range.end - 1);
        }
    });
    return first_of(broken);
}

// The gaps of each run are summed up, then the sums.
Verdict Entries::find_positions(int64_t numel) {
    std::vector<Verdict> broken(run_count());
    position_.resize(run_count());
    ThreadExecutor().parallel_for(run_count(), [&](size_t number) {
        const Range range = entries_of_run(number, count_);
        const uint8_t* gaps = gaps_.values.data();
        const size_t first = std::max<size_t>(range.begin, 1);  // the first gap of all may be 0
        if (const void* zero = std::memchr(gaps + first, 0, range.end - first)) {
            broken[number] =
                violation(Rule::position, "entry %td has a gap of 0", static_cast<const uint8_t*>(zero) - gaps);
        }
        position_[number] = std::accumulate(gaps + range.begin, gaps + range.end, uint32_t{0});
    });
    if (Verdict zero_gap = first_of(broken)) return zero_gap;
    uint64_t position = 0;
    for (uint32_t& of_run : position_) {
        const uint32_t sum = of_run;
        of_run = static_cast<uint32_t>(position);  // too large a position ends in an error below
        position += sum;
    }
    end_ = static_cast<uint32_t>(position) + 1;
    if (position < static_cast<uint64_t>(numel)) return {};
    return violation(Rule::position, "the last entry lies at %" PRIu64 " of %" PRId64 " elements", position, numel);
}

EntryRun Entries::run(size_t number) {
    const Range range = entries_of_run(number, count_);
    const uint8_t* gaps = ones_.empty() ? gaps_.values.data() + range.begin : ones_.data();
    return {number, range.end - range.begin, codes_.values.data() + range.begin, gaps, position_[number]};
}

}  // namespace onnxdc
