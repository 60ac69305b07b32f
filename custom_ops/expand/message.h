// A message that is being written: pieces of the model that is read, some bytes of our own, and payloads. How long it
// is is known before any of it is made, as protocol buffers say the length of a message before the message.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "expand/payload.h"
#include "expand/wire.h"

namespace onnxdc::expansion {

// Keeps bytes of our own where they are as long as messages have them.
using Keeper = std::deque<std::string>;

class Message {
public:
    explicit Message(Keeper* keeper) : keeper_(keeper) {}

    uint64_t size() const { return size_; }

    // Adds bytes that stay where they are, such as fields of the model that is read.
    void add(Bytes bytes);

    // Adds bytes of our own.
    void add(std::string bytes);

    // Adds a field that is a message.
    void add_message(uint32_t number, Message message);

    // Adds a field that is bytes, made when they are written.
    void add_payload(uint32_t number, Payload* payload);

    // Writes all of it, in order.
    void write(Scratch* scratch, const Writer& writer) const;

private:
    struct Piece {
        Bytes bytes;
        Payload* payload;  // null if the bytes are there
    };

    Keeper* keeper_;
    std::vector<Piece> pieces_;
    uint64_t size_ = 0;
};

}  // namespace onnxdc::expansion
