#include "expand/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <random>

namespace onnxdc::expansion {
namespace {

constexpr size_t kBuffer = 1 << 18;  // bytes, a choice: fewer are gathered before they are written
constexpr size_t kMostAtOnce = 1 << 30;
constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

std::string real_path(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : path;
}

bool lies_in(const std::string& path, const std::string& folder) {
    return folder == "/" ||
           (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 && path[folder.size()] == '/');
}

// Whether a location is a path down from a folder.
bool leads_down(const std::string& location) {
    if (location.empty() || location[0] == '/' || location.find('\0') != std::string::npos) return false;
    return ("/" + location + "/").find("/../") == std::string::npos;
}

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

std::string folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

InputFile::InputFile(const std::string& path, onnxdc_result result) : path_(path), result_(result) {
    // A pipe that nobody writes to must not hold us up.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0 || fstat(descriptor_, &status_) != 0) {
        const std::string why = std::strerror(errno);
        if (descriptor_ >= 0) close(descriptor_);
        throw Failure{result, shown(path) + ": " + why};
    }
    if (S_ISREG(status_.st_mode)) return;
    close(descriptor_);
    throw Failure{result, shown(path) + ": expected a regular file"};
}

InputFile::~InputFile() { close(descriptor_); }

uint64_t InputFile::stored_nbytes() const {
    return std::min(size(), static_cast<uint64_t>(status_.st_blocks) * kStatBlock);
}

bool InputFile::is(const struct stat& other) const { return is_same(status_, other); }

std::string InputFile::real_path() const {
    char real[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor_);
    const ssize_t size = readlink(link.c_str(), real, sizeof real);
    if (size > 0 && static_cast<size_t>(size) < sizeof real) return {real, static_cast<size_t>(size)};
    return expansion::real_path(path_);
}

void InputFile::read(uint64_t offset, size_t size, uint8_t* out) const {
    while (size > 0) {
        const ssize_t got = pread(descriptor_, out, std::min(size, kMostAtOnce), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            const char* why = got < 0 ? std::strerror(errno) : "it ends too early";
            throw Failure{result_, shown(path_) + ": " + why};
        }
        out += got;
        offset += static_cast<uint64_t>(got);
        size -= static_cast<size_t>(got);
    }
}

FolderData::FolderData(const std::string& model_path, Budget* budget) : budget_(budget) {
    const std::string named = folder_of(model_path);
    folders_ = {named, expansion::real_path(named), folder_of(expansion::real_path(model_path))};
}

const InputFile& FolderData::open(std::string_view location, std::string_view tensor) {
    const auto found = files_.find(location);
    if (found != files_.end()) return *found->second;
    const std::string name(location), where = shown(tensor) + ": external data " + shown(location);
    const Failure outside{ONNXDC_EXTERNAL_DATA, where + ": expected a path below the folder of the model"};
    if (!leads_down(name)) throw outside;
    std::string folder = folders_.front();
    if (access((folder + "/" + name).c_str(), F_OK) != 0) folder = folders_.back();
    auto file = std::make_unique<InputFile>(folder + "/" + name, ONNXDC_EXTERNAL_DATA);
    const std::string real = file->real_path();
    if (std::none_of(folders_.begin(), folders_.end(), [&](const std::string& one) { return lies_in(real, one); }))
        throw outside;
    budget_->grow(file->stored_nbytes());
    return *files_.emplace(name, std::move(file)).first->second;
}

std::vector<uint8_t> FolderData::read(const Location& location, std::string_view name, uint64_t nbytes) {
    const InputFile& file = open(location.file, name);
    if ((location.has_length && location.length != nbytes) || location.offset > file.size() ||
        nbytes > file.size() - location.offset) {
        throw Failure{ONNXDC_EXTERNAL_DATA, shown(name) + ": external data " + shown(location.file) + ": expected " +
                                                std::to_string(nbytes) + " bytes from " +
                                                std::to_string(location.offset) + " on"};
    }
    std::vector<uint8_t> bytes(static_cast<size_t>(nbytes));
    file.read(location.offset, bytes.size(), bytes.data());
    return bytes;
}

bool FolderData::has_opened(const struct stat& file) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& one) { return one.second->is(file); });
}

std::vector<uint8_t> NoData::read(const Location&, std::string_view name, uint64_t) {
    throw Failure{ONNXDC_EXTERNAL_DATA,
                  shown(name) + ": its data lie outside of the model, which takes onnxdc_expand_file"};
}

OutputFile::OutputFile(const std::string& path) : path_(expansion::real_path(path)) {
    replaces_ = stat(path_.c_str(), &replaced_) == 0;
    if (replaces_ && !S_ISREG(replaced_.st_mode))
        throw Failure{ONNXDC_FILE, shown(path) + ": expected a regular file, or none"};
    // Nobody may read it who might not be allowed to read what it becomes.
    const mode_t mode = replaces_ ? 0600 : 0666;
    std::random_device random;
    temporary_ = folder_of(path_) + "/.onnxdc." + std::to_string(random()) + std::to_string(random()) + ".tmp";
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (descriptor_ < 0) throw Failure{ONNXDC_FILE, shown(path) + ": " + std::strerror(errno)};
    buffer_.reserve(kBuffer);
}

OutputFile::~OutputFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::fail(const char* what) const {
    throw Failure{ONNXDC_FILE, shown(path_) + ": " + what + ": " + std::strerror(errno)};
}

void OutputFile::write_all(const uint8_t* data, size_t size) {
    while (size > 0) {
        const ssize_t done = ::write(descriptor_, data, std::min(size, kMostAtOnce));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) fail("cannot be written");
        data += done;
        size -= static_cast<size_t>(done);
    }
}

void OutputFile::flush() {
    write_all(buffer_.data(), buffer_.size());
    buffer_.clear();
}

void OutputFile::write(Bytes bytes) {
    if (buffer_.size() + bytes.size > kBuffer) flush();
    if (bytes.size > kBuffer)
        write_all(bytes.data, bytes.size);
    else
        buffer_.insert(buffer_.end(), bytes.data, bytes.data + bytes.size);
}

void OutputFile::seek(uint64_t offset) {
    flush();
    if (lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) fail("cannot be written");
}

void OutputFile::finish() {
    flush();
    if (replaces_) {
        // Only root may give files away, and it is no matter if nobody else does.
        const bool given = fchown(descriptor_, replaced_.st_uid, replaced_.st_gid) == 0;
        const mode_t mode = replaced_.st_mode & (given ? 0777 : 0700);
        if (fchmod(descriptor_, mode) != 0) fail("cannot be written");
    }
    if (fsync(descriptor_) != 0) fail("cannot be written");
    if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in its place");
    temporary_.clear();
}

}  // namespace onnxdc::expansion
