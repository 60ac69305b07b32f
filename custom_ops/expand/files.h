// Files of a model: read as a whole or in parts, and written under another name first.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "expand/failure.h"
#include "expand/payload.h"
#include "expand/system.h"
#include "expand/tensor.h"
#include "expand/weight.h"

namespace onnxdc::expansion {

// A regular file that is open for reading. What is asked of it is asked of the open file, so that nothing can be put in
// its place in between. It is read, not mapped: one that shrinks meanwhile is an error, where a map would end the
// process.
class InputFile {
public:
    // A Failure, `result`, if it cannot be opened, or is a folder, a pipe or a device.
    InputFile(const std::string& path, onnxdc_result result);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    uint64_t size() const { return status_.nbytes; }
    // The bytes that it takes on the disk, fewer than its size if it has holes.
    uint64_t stored_nbytes() const { return status_.stored_nbytes; }
    bool is(const system::Status& other) const { return status_.is_same_file(other); }
    // Where it lies, with all links followed.
    std::string real_path() const { return system::real_path(descriptor_, path_); }
    // A Failure if it ends before.
    void read(uint64_t offset, size_t size, uint8_t* out) const;

private:
    const std::string path_;
    const onnxdc_result result_;
    int descriptor_ = -1;
    system::Status status_;
};

// External data: files below the folder of a model, or below that of the file that the model links to.
class FolderData final : public ExternalData {
public:
    // What the files hold is added to the bytes of the model that the budget knows.
    FolderData(const std::string& model_path, Budget* budget);

    std::vector<uint8_t> read(const Location& location, std::string_view name, uint64_t nbytes) override;

    // The file that a location names, opened once; a Failure if it is no place for external data.
    const InputFile& open(std::string_view location, std::string_view tensor);

    // Whether one of the files that were opened is this one.
    bool has_opened(const system::Status& file) const;

private:
    std::vector<std::string> folders_;
    Budget* budget_;
    std::map<std::string, std::unique_ptr<InputFile>, std::less<>> files_;
};

// Models in memory have no folder.
class NoData final : public ExternalData {
public:
    std::vector<uint8_t> read(const Location& location, std::string_view name, uint64_t nbytes) override;
};

// A file that takes the place of another one, or of none, when all of it is written, and is gone otherwise.
class OutputFile {
public:
    // A Failure if no file can be put there. A link stays; what it leads to is replaced.
    explicit OutputFile(const std::string& path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    // Whether there is a file that is going to be replaced, and which.
    bool replaces() const { return replaces_; }
    const system::Status& replaced() const { return replaced_; }

    void write(Bytes bytes);
    // Goes on at a later offset; what is in between is zero.
    void seek(uint64_t offset);
    // Brings it to the disk and puts it in its place.
    void finish();

private:
    [[noreturn]] void fail(const char* what) const;
    void close();
    void flush();
    void write_all(const uint8_t* data, size_t size);

    std::string path_, temporary_;
    int descriptor_ = -1;
    bool replaces_ = false;
    system::Status replaced_;
    std::vector<uint8_t> buffer_;
};

// The folder of a path, and what is left of it.
std::string folder_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace onnxdc::expansion
