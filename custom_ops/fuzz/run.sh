#!/bin/sh
# Runs the fuzz targets of a build, each for the same part of some seconds: run.sh BUILD SEEDS SECONDS RANDOM_SEED
# What they find, and inputs that reach new code, are left in BUILD/fuzz/work; the corpus in the tree is not changed.
set -eu
build=$1 seeds=$2 seconds=$3 random_seed=$4
corpus=$(dirname "$0")/corpus
work=$build/fuzz/work
targets=$(find "$build/fuzz" -maxdepth 1 -name 'fuzz_*' -perm -u+x -type f | sort)
each=$((seconds / $(echo "$targets" | wc -l)))
[ "$each" -ge 1 ] || each=1
for target in $targets; do
  name=$(basename "$target")
  mkdir -p "$work/$name" "$work/found" "$seeds/$name" "$corpus/$name"
  echo "$name: $each seconds"
  log=$work/$name.log
  if ! "$target" -seed="$random_seed" -max_total_time="$each" -max_len=8192 -timeout=60 -rss_limit_mb=3000 -print_final_stats=1 \
    -artifact_prefix="$work/found/$name-" "$work/$name" "$corpus/$name" "$seeds/$name" >"$log" 2>&1; then
    tail -n 60 "$log"
    exit 1
  fi
  grep -e executed_units -e peak_rss "$log"
done
