// What a fuzz target makes of its bytes: numbers, and the end of the program where something does not hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

// Ends the program, which is how a target tells the fuzzer that it found something.
#define REQUIRE(condition)                                                                \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::fprintf(stderr, "%s:%d: REQUIRE(%s)\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                 \
        }                                                                                 \
    } while (false)

namespace onnxdc::fuzz {

// Bytes that are taken from the front; zeros when there are none left.
class Input {
public:
    Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}

    size_t left() const { return size_; }
    uint8_t byte() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    int64_t number(size_t nbytes) {
        uint64_t value = 0;
        for (size_t i = 0; i < nbytes; ++i) value |= uint64_t{byte()} << 8 * i;
        return static_cast<int64_t>(value);
    }
    // A number from `low` to `high`, of one byte, or of two where that is too few.
    int64_t any(int64_t low, int64_t high) {
        const int64_t count = high - low + 1;
        return low + number(count > 256 ? 2 : 1) % count;
    }
    bool one_in(int64_t count) { return any(1, count) == count; }
    std::vector<uint8_t> bytes(size_t count) {
        count = std::min(count, size_);
        std::vector<uint8_t> taken(data_, data_ + count);
        data_ += count;
        size_ -= count;
        return taken;
    }

private:
    const uint8_t* data_;
    size_t size_;
};

}  // namespace onnxdc::fuzz
