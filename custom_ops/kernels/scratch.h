// Cuts the scratch memory of a run into arrays.
#pragma once

#include <cstddef>

namespace onnxdc {

// Hands out arrays one after the other, each aligned to 64 bytes. Cutting up null only counts, so that one function can
// both ask for the memory and use it.
class ScratchCut {
public:
    explicit ScratchCut(void* memory) : memory_(static_cast<unsigned char*>(memory)) {}

    template <class T>
    T* take(size_t count) {
        T* array = memory_ ? reinterpret_cast<T*>(memory_ + nbytes_) : nullptr;
        nbytes_ += (count * sizeof(T) + 63) / 64 * 64;
        return array;
    }

    size_t nbytes() const { return nbytes_; }

private:
    unsigned char* memory_;
    size_t nbytes_ = 0;
};

}  // namespace onnxdc
