#!/usr/bin/env bash
# The kernels for ARM: builds their tests with a cross compiler and runs them under qemu-user.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
googletest=/usr/src/googletest/googletest
if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64 >/dev/null || [ ! -d $googletest ]; then
  printf '%s\n' "check_neon: a cross compiler, qemu or googletest is missing" \
    "            next: apt-get install g++-aarch64-linux-gnu qemu-user googletest" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=(src/index/distance{,_neon,_x86}.cc src/index/codes.cc src/index/flat_scan.cc src/index/hnsw_{build,graph}.cc
  src/index/score.cc src/os/together.cc src/base/{check,out_of_memory}.cc src/index/{distance,codes,flat_scan,hnsw_graph,bitmap,score}_test.cc)
# Of the machine's own headers only the one that has nothing to do with the machine.
ln -s /usr/include/hnswlib "$work/hnswlib"
aarch64-linux-gnu-g++ -std=c++20 -O2 -ffp-contract=off -static -Iinclude -Isrc -I"$work" -I$googletest/include -I$googletest \
  "${sources[@]}" $googletest/src/gtest-all.cc $googletest/src/gtest_main.cc -o "$work/kernels"
qemu-aarch64 "$work/kernels"
