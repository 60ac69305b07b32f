# A toolchain file: clang, the C libraries and the linkers of many systems, as the package `ziglang` brings them.
#   ZIG         its program
#   ZIG_TARGET  what to compile for, as zig names it: x86_64-linux-gnu.2.17, aarch64-macos.11.0
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG ZIG_TARGET)
string(REPLACE "-" ";" parts ${ZIG_TARGET})
list(GET parts 0 CMAKE_SYSTEM_PROCESSOR)
list(GET parts 1 system)
string(REGEX REPLACE "[.].*" "" system ${system})
set(CMAKE_SYSTEM_NAME_linux Linux)
set(CMAKE_SYSTEM_NAME_windows Windows)
set(CMAKE_SYSTEM_NAME_macos Darwin)
set(CMAKE_SYSTEM_NAME ${CMAKE_SYSTEM_NAME_${system}})

# Without symbols but those that are exported, and so from the start: zig compiles its C++ library once for each way.
set(CMAKE_CXX_COMPILER ${ZIG} c++ -target ${ZIG_TARGET} -s)
set(CMAKE_CXX_ARCHIVE_CREATE "${ZIG} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "${ZIG} ranlib <TARGET>")
# The library is linked as it is installed: its paths cannot be changed later on a machine of another system.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_BUILD_WITH_INSTALL_NAME_DIR ON)
set(CMAKE_INSTALL_NAME_DIR "@rpath")
