// Bytes of the result that are made only when it is written: each in memory on its own, and only then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "expand/wire.h"

namespace onnxdc::expansion {

// Takes bytes of the result, in order.
using Writer = std::function<void(Bytes bytes)>;

// Memory that payloads use one after the other, as large as the largest that asked.
class Scratch {
public:
    uint8_t* at_least(size_t size) {
        if (!memory_ || size > size_) {
            memory_.reset();
            memory_.reset(new uint8_t[size]);
            size_ = size;
        }
        return memory_.get();
    }

private:
    std::unique_ptr<uint8_t[]> memory_;
    size_t size_ = 0;
};

class Payload {
public:
    virtual ~Payload() = default;

    // How many bytes it has, which is known before it is made.
    virtual uint64_t nbytes() const = 0;

    // Makes the bytes and writes them; a Failure if that cannot be done. Called once.
    virtual void write(Scratch* scratch, const Writer& writer) = 0;
};

}  // namespace onnxdc::expansion
