#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "expand/system.h"

namespace onnxdc::expansion::system {
namespace {

constexpr size_t kMostAtOnce = 1 << 30;
constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

bool convert(int result, const struct stat& from, Status* status) {
    if (result != 0) return false;
    status->is_regular = S_ISREG(from.st_mode);
    status->nbytes = static_cast<uint64_t>(from.st_size);
    status->stored_nbytes = std::min(status->nbytes, static_cast<uint64_t>(from.st_blocks) * kStatBlock);
    status->device = static_cast<uint64_t>(from.st_dev);
    status->file = static_cast<uint64_t>(from.st_ino);
    status->mode = from.st_mode;
    status->user = from.st_uid;
    status->group = from.st_gid;
    return true;
}

// Calls until no signal comes in between.
template <class Call>
ptrdiff_t uninterrupted(Call call) {
    ptrdiff_t result;
    do result = call();
    while (result < 0 && errno == EINTR);
    return result;
}

}  // namespace

const std::string kNeverInNames(1, '\0');

std::string normal(const std::string& path) { return path; }

std::string real_path(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : path;
}

std::string real_path(int descriptor, const std::string& path) {
    char real[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    const ssize_t size = readlink(link.c_str(), real, sizeof real);
    if (size > 0 && static_cast<size_t>(size) < sizeof real) return {real, static_cast<size_t>(size)};
    return real_path(path);
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool get_status(const std::string& path, Status* status) {
    struct stat answer;
    return convert(stat(path.c_str(), &answer), answer, status);
}

bool get_status(int descriptor, Status* status) {
    struct stat answer;
    return convert(fstat(descriptor, &answer), answer, status);
}

int open_for_reading(const std::string& path) { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }

int create_file(const std::string& path, bool secret) {
    return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0666);
}

void close_file(int descriptor) { close(descriptor); }

ptrdiff_t read_at(int descriptor, uint64_t offset, uint8_t* out, size_t size) {
    return uninterrupted(
        [&] { return pread(descriptor, out, std::min(size, kMostAtOnce), static_cast<off_t>(offset)); });
}

ptrdiff_t write_some(int descriptor, const uint8_t* data, size_t size) {
    return uninterrupted([&] { return write(descriptor, data, std::min(size, kMostAtOnce)); });
}

bool seek_to(int descriptor, uint64_t offset) { return lseek(descriptor, static_cast<off_t>(offset), SEEK_SET) >= 0; }

bool take_over_owner(int descriptor, const Status& other) {
    // Only root may give files away, and it is no matter if nobody else does.
    const bool given = fchown(descriptor, other.user, other.group) == 0;
    return fchmod(descriptor, other.mode & (given ? 0777 : 0700)) == 0;
}

bool sync_file(int descriptor) { return fsync(descriptor) == 0; }

bool move_over(const std::string& from, const std::string& to) { return rename(from.c_str(), to.c_str()) == 0; }

void remove_file(const std::string& path) { unlink(path.c_str()); }

}  // namespace onnxdc::expansion::system
