// What expanding asks of the operating system's files. system_posix.cc and system_windows.cc are the two answers: one
// of them is compiled. Paths are UTF-8, with '/' between folders. What fails answers -1 or false, and errno says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace onnxdc::expansion::system {

// A file, or a folder, as the system knows it.
struct Status {
    bool is_regular = false;
    uint64_t nbytes = 0;
    uint64_t stored_nbytes = 0;              // on the disk, fewer than nbytes if it has holes
    uint64_t device = 0, file = 0;           // these two tell files apart
    uint32_t mode = 0, user = 0, group = 0;  // who may read it, where the system has that as numbers

    bool is_same_file(const Status& other) const { return device == other.device && file == other.file; }
};

// What no part of a path below a folder contains: besides the final zero, what separates other parts.
extern const std::string kNeverInNames;

// A path with '/' between folders.
std::string normal(const std::string& path);

// Where a path leads, with all links followed; the path itself, if that cannot be told. With the descriptor that was
// opened by it, where that file lies.
std::string real_path(const std::string& path);
std::string real_path(int descriptor, const std::string& path);

bool exists(const std::string& path);
bool get_status(const std::string& path, Status* status);
bool get_status(int descriptor, Status* status);

// A descriptor, which processes that are started later do not get. A pipe that nobody writes to does not hold it up.
int open_for_reading(const std::string& path);
// The same of a file that was not there. Nobody else may read it if it is `secret`.
int create_file(const std::string& path, bool secret);
void close_file(int descriptor);

// Reads or writes some of the bytes, and answers how many; reading answers 0 at the end.
ptrdiff_t read_at(int descriptor, uint64_t offset, uint8_t* out, size_t size);
ptrdiff_t write_some(int descriptor, const uint8_t* data, size_t size);
bool seek_to(int descriptor, uint64_t offset);

// Gives a file the owner and mode of another one, as far as this user may.
bool take_over_owner(int descriptor, const Status& other);
// Brings a file to the disk.
bool sync_file(int descriptor);
// Puts a file that is closed in the place of another one, or of none.
bool move_over(const std::string& from, const std::string& to);
void remove_file(const std::string& path);

}  // namespace onnxdc::expansion::system
