#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz wants them: from $SRC/onnxdc with $CXX, $CXXFLAGS and $LIB_FUZZING_ENGINE into
# $OUT, each with an archive of its corpus. Anywhere else, for example:
#   CXX=clang++ CXXFLAGS="-O1 -fsanitize=address,fuzzer-no-link" LIB_FUZZING_ENGINE=-fsanitize=fuzzer OUT="$PWD/out" \
#     custom_ops/fuzz/oss_fuzz_build.sh
here=$(cd "$(dirname "$0")" && pwd)
build=${WORK:-$(mktemp -d)}/onnxdc_fuzz

cmake -S "$here/.." -B "$build" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_FLAGS="$CXXFLAGS" -DONNXDC_FUZZ=ON \
  -DONNXDC_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
targets=$(cd "$here" && ls fuzz_*.cc | sed 's/[.]cc$//')
cmake --build "$build" --parallel "$(nproc)" --target $targets
mkdir -p "$OUT"
for target in $targets; do
  cp "$build/fuzz/$target" "$OUT/"
  if [ -d "$here/corpus/$target" ]; then
    (cd "$here/corpus/$target" && python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" ./*)
  fi
done
