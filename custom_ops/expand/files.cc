#include "expand/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace onnxdc::expansion {
namespace {

constexpr size_t kBuffer = 1 << 18;  // bytes, a choice: fewer are gathered before they are written

bool lies_in(const std::string& path, const std::string& folder) {
    return folder == "/" ||
           (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 && path[folder.size()] == '/');
}

// Whether a location is a path down from a folder.
bool leads_down(const std::string& location) {
    if (location.empty() || location[0] == '/') return false;
    if (location.find_first_of(system::kNeverInNames) != std::string::npos) return false;
    return ("/" + location + "/").find("/../") == std::string::npos;
}

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
    descriptor_ = system::open_for_reading(path);
    if (descriptor_ < 0 || !system::get_status(descriptor_, &status_)) {
        const std::string why = std::strerror(errno);
        if (descriptor_ >= 0) system::close_file(descriptor_);
        throw Failure{result, shown(path) + ": " + why};
    }
    if (status_.is_regular) return;
    system::close_file(descriptor_);
    throw Failure{result, shown(path) + ": expected a regular file"};
}

InputFile::~InputFile() { system::close_file(descriptor_); }

void InputFile::read(uint64_t offset, size_t size, uint8_t* out) const {
    while (size > 0) {
        const ptrdiff_t got = system::read_at(descriptor_, offset, out, size);
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
    folders_ = {named, system::real_path(named), folder_of(system::real_path(model_path))};
}

const InputFile& FolderData::open(std::string_view location, std::string_view tensor) {
    const auto found = files_.find(location);
    if (found != files_.end()) return *found->second;
    const std::string name(location), where = shown(tensor) + ": external data " + shown(location);
    const Failure outside{ONNXDC_EXTERNAL_DATA, where + ": expected a path below the folder of the model"};
    if (!leads_down(name)) throw outside;
    std::string folder = folders_.front();
    if (!system::exists(folder + "/" + name)) folder = folders_.back();
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

bool FolderData::has_opened(const system::Status& file) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& one) { return one.second->is(file); });
}

std::vector<uint8_t> NoData::read(const Location&, std::string_view name, uint64_t) {
    throw Failure{ONNXDC_EXTERNAL_DATA,
                  shown(name) + ": its data lie outside of the model, which takes onnxdc_expand_file"};
}

OutputFile::OutputFile(const std::string& path) : path_(system::real_path(path)) {
    replaces_ = system::get_status(path_, &replaced_);
    if (replaces_ && !replaced_.is_regular)
        throw Failure{ONNXDC_FILE, shown(path) + ": expected a regular file, or none"};
    std::random_device random;
    temporary_ = folder_of(path_) + "/.onnxdc." + std::to_string(random()) + std::to_string(random()) + ".tmp";
    // Nobody may read it who might not be allowed to read what it becomes.
    descriptor_ = system::create_file(temporary_, replaces_);
    if (descriptor_ < 0) throw Failure{ONNXDC_FILE, shown(path) + ": " + std::strerror(errno)};
    buffer_.reserve(kBuffer);
}

OutputFile::~OutputFile() {
    close();
    if (!temporary_.empty()) system::remove_file(temporary_);
}

void OutputFile::fail(const char* what) const {
    throw Failure{ONNXDC_FILE, shown(path_) + ": " + what + ": " + std::strerror(errno)};
}

void OutputFile::write_all(const uint8_t* data, size_t size) {
    while (size > 0) {
        const ptrdiff_t done = system::write_some(descriptor_, data, size);
        if (done < 0) fail("cannot be written");
        data += done;
        size -= static_cast<size_t>(done);
    }
}

void OutputFile::close() {
    if (descriptor_ >= 0) system::close_file(descriptor_);
    descriptor_ = -1;
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
    if (!system::seek_to(descriptor_, offset)) fail("cannot be written");
}

void OutputFile::finish() {
    flush();
    if (replaces_ && !system::take_over_owner(descriptor_, replaced_)) fail("cannot be written");
    if (!system::sync_file(descriptor_)) fail("cannot be written");
    close();
    if (!system::move_over(temporary_, path_)) fail("cannot be put in its place");
    temporary_.clear();
}

}  // namespace onnxdc::expansion
