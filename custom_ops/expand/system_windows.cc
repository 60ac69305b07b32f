#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>
// After the headers of C, which it builds on.
#include <windows.h>

#include <algorithm>
#include <cerrno>

#include "expand/system.h"

namespace onnxdc::expansion::system {
namespace {

constexpr size_t kMostAtOnce = 1 << 30;

std::wstring wide(const std::string& text) {
    const int size = static_cast<int>(text.size());
    std::wstring out(static_cast<size_t>(MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0)), 0);
    MultiByteToWideChar(CP_UTF8, 0, text.data(), size, out.data(), static_cast<int>(out.size()));
    return out;
}

std::string narrow(const std::wstring& text) {
    const int size = static_cast<int>(text.size());
    std::string out(
        static_cast<size_t>(WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr)), 0);
    WideCharToMultiByte(CP_UTF8, 0, text.data(), size, out.data(), static_cast<int>(out.size()), nullptr, nullptr);
    return out;
}

HANDLE handle_of(int descriptor) { return reinterpret_cast<HANDLE>(_get_osfhandle(descriptor)); }

// A handle that is closed in the end.
class Handle {
public:
    // To ask about a file or a folder.
    explicit Handle(const std::string& path)
        : handle_(CreateFileW(wide(path).c_str(), 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                              OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr)) {}
    ~Handle() {
        if (is_open()) CloseHandle(handle_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    bool is_open() const { return handle_ != INVALID_HANDLE_VALUE; }
    HANDLE get() const { return handle_; }

private:
    HANDLE handle_;
};

// False, with an errno for what the system said last.
bool fail() {
    switch (GetLastError()) {
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND: errno = ENOENT; break;
        case ERROR_ACCESS_DENIED:
        case ERROR_SHARING_VIOLATION: errno = EACCES; break;
        case ERROR_DISK_FULL: errno = ENOSPC; break;
        default: errno = EIO;
    }
    return false;
}

uint64_t join(DWORD high, DWORD low) { return uint64_t{high} << 32 | low; }

bool get_status(HANDLE handle, Status* status) {
    BY_HANDLE_FILE_INFORMATION answer;
    if (GetFileType(handle) != FILE_TYPE_DISK) {
        *status = {};  // a pipe, or a device
        return true;
    }
    FILE_STANDARD_INFO sizes;
    if (!GetFileInformationByHandle(handle, &answer) ||
        !GetFileInformationByHandleEx(handle, FileStandardInfo, &sizes, sizeof sizes))
        return fail();
    status->is_regular = !(answer.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    status->nbytes = join(answer.nFileSizeHigh, answer.nFileSizeLow);
    status->stored_nbytes = std::min(status->nbytes, static_cast<uint64_t>(sizes.AllocationSize.QuadPart));
    status->device = answer.dwVolumeSerialNumber;
    status->file = join(answer.nFileIndexHigh, answer.nFileIndexLow);
    return true;
}

// Empty if it cannot be told.
std::string real_path_of(HANDLE handle) {
    wchar_t path[MAX_PATH * 4];
    const DWORD size = GetFinalPathNameByHandleW(handle, path, MAX_PATH * 4, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS);
    return size == 0 || size >= MAX_PATH * 4 ? "" : normal(narrow({path, size}));
}

}  // namespace

// A colon names a drive, or another stream of a file.
const std::string kNeverInNames("\0\\:", 3);

std::string normal(const std::string& path) {
    std::string out = path;
    std::replace(out.begin(), out.end(), '\\', '/');
    if (out.compare(0, 8, "//?/UNC/") == 0) return "//" + out.substr(8);
    return out.compare(0, 4, "//?/") == 0 ? out.substr(4) : out;
}

std::string real_path(const std::string& path) {
    const Handle handle(path);
    const std::string real = handle.is_open() ? real_path_of(handle.get()) : "";
    return real.empty() ? path : real;
}

std::string real_path(int descriptor, const std::string& path) {
    const std::string real = real_path_of(handle_of(descriptor));
    return real.empty() ? real_path(path) : real;
}

bool exists(const std::string& path) { return GetFileAttributesW(wide(path).c_str()) != INVALID_FILE_ATTRIBUTES; }

bool get_status(const std::string& path, Status* status) {
    const Handle handle(path);
    return handle.is_open() ? get_status(handle.get(), status) : fail();
}

bool get_status(int descriptor, Status* status) { return get_status(handle_of(descriptor), status); }

int open_for_reading(const std::string& path) {
    return _wopen(wide(path).c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
}

// Files get the rights of their folder: there is no mode to ask for.
int create_file(const std::string& path, bool) {
    return _wopen(wide(path).c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
}

void close_file(int descriptor) { _close(descriptor); }

ptrdiff_t read_at(int descriptor, uint64_t offset, uint8_t* out, size_t size) {
    OVERLAPPED place{};
    place.Offset = static_cast<DWORD>(offset);
    place.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD got = 0;
    if (ReadFile(handle_of(descriptor), out, static_cast<DWORD>(std::min(size, kMostAtOnce)), &got, &place)) return got;
    if (GetLastError() == ERROR_HANDLE_EOF) return 0;
    fail();
    return -1;
}

ptrdiff_t write_some(int descriptor, const uint8_t* data, size_t size) {
    return _write(descriptor, data, static_cast<unsigned>(std::min(size, kMostAtOnce)));
}

bool seek_to(int descriptor, uint64_t offset) {
    return _lseeki64(descriptor, static_cast<int64_t>(offset), SEEK_SET) >= 0;
}

bool take_over_owner(int, const Status&) { return true; }

bool sync_file(int descriptor) { return _commit(descriptor) == 0; }

bool move_over(const std::string& from, const std::string& to) {
    return MoveFileExW(wide(from).c_str(), wide(to).c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) ||
           fail();
}

void remove_file(const std::string& path) { _wunlink(wide(path).c_str()); }

}  // namespace onnxdc::expansion::system
