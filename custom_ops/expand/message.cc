#include "expand/message.h"

#include <utility>

namespace onnxdc::expansion {

void Message::add(Bytes bytes) {
    if (bytes.size == 0) return;
    size_ += bytes.size;
    // Fields that follow each other in the model are one piece.
    if (!pieces_.empty() && !pieces_.back().payload) {
        Bytes& last = pieces_.back().bytes;
        if (last.data + last.size == bytes.data) {
            last.size += bytes.size;
            return;
        }
    }
    pieces_.push_back({bytes, nullptr});
}

void Message::add(std::string bytes) {
    keeper_->push_back(std::move(bytes));
    const std::string& kept = keeper_->back();
    add(Bytes{reinterpret_cast<const uint8_t*>(kept.data()), kept.size()});
}

void Message::add_message(uint32_t number, Message message) {
    std::string head;
    append_tag(number, kDelimited, &head);
    append_varint(message.size_, &head);
    add(std::move(head));
    pieces_.insert(pieces_.end(), message.pieces_.begin(), message.pieces_.end());
    size_ += message.size_;
}

void Message::add_payload(uint32_t number, Payload* payload) {
    std::string head;
    append_tag(number, kDelimited, &head);
    append_varint(payload->nbytes(), &head);
    add(std::move(head));
    pieces_.push_back({{}, payload});
    size_ += payload->nbytes();
}

void Message::write(Scratch* scratch, const Writer& writer) const {
    for (const Piece& piece : pieces_) {
        if (piece.payload)
            piece.payload->write(scratch, writer);
        else
            writer(piece.bytes);
    }
}

}  // namespace onnxdc::expansion
