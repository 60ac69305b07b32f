#!/bin/sh
# Whether clang++ can link a fuzz target: Debian has the runtimes of the fuzzer and the sanitizers in a package of their
# own, which clang only recommends.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/tiny.cc" <<'END'
#include <cstddef>
#include <cstdint>
extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }
END
clang++ -fsanitize=fuzzer,address,undefined -o "$folder/tiny" "$folder/tiny.cc" >/dev/null 2>&1
