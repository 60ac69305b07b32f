// The entries of a checked weight group, on several threads where it pays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "decoder/check.h"
#include "decoder/symbols.h"
#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {

// Some entries that follow each other.
struct EntryRun {
    size_t number;        // run n begins with entry n * Entries::kRun
    size_t count;         // kRun, but for the last run
    uint8_t* codes;       // [count], each below codes_per_group; a visitor may write others over them
    const uint8_t* gaps;  // [count]: entry i lies gaps[i] after the one before it
    uint32_t position;    // where the first gap counts from; -1 modulo 2^32 for the first run of the dense form
};

// All entries of a group, decoded and checked: they lie at rising positions below the number of elements. Takes a byte
// for each of both streams' symbols.
class Entries {
public:
    // What a thread takes at a time: some hundred microseconds of work.
    static constexpr size_t kRun = 65536;

    // Names a rule that one of the streams breaks.
    Verdict decode(const CheckedGroup& group, const PacketDecoder& codes, const PacketDecoder& gaps);

    size_t run_count() const { return divide_up(count_, kRun); }

    // Calls visit(const EntryRun&) for all runs, in any order and from several threads.
    template <class Visit>
    void for_each_run(const Visit& visit) {
        ThreadExecutor().parallel_for(run_count(), [&](size_t number) { visit(run(number)); });
    }

    // The codes of all entries. There is no run to visit any more.
    std::vector<uint8_t> take_codes() { return std::move(codes_.values); }

    // One after the position of the last entry.
    uint32_t end() const { return end_; }

private:
    EntryRun run(size_t number);
    Verdict finish_codes(const CheckedGroup& group);
    Verdict find_positions(int64_t numel);

    size_t count_ = 0;
    Symbols codes_;
    Symbols gaps_;                    // no values in the dense form
    std::vector<uint8_t> ones_;       // the gaps of a run in the dense form
    std::vector<uint32_t> position_;  // of each run
    uint32_t end_ = 0;
};

}  // namespace onnxdc
