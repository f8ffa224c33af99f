#!/usr/bin/env bash
# Compiles the engine, all but its Python bindings, for the systems that have wheels, with the cross compiler of the package ziglang:
#   pip install ziglang && tools/cross_compile.sh                       all of them
#   tools/cross_compile.sh aarch64-macos x86_64-windows-gnu             these alone
# It shows what does not compile there; what it makes is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=("$@")
[ $# -gt 0 ] || targets=(x86_64-linux-gnu.2.28 x86_64-linux-musl aarch64-linux-gnu.2.28 aarch64-linux-musl aarch64-macos x86_64-macos x86_64-windows-gnu)
options=(-std=c++20 -O1 -ffp-contract=fast -fno-math-errno -Wall -Wextra -Werror -Wno-psabi -Inative)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bf16=(kernels/micro_kernels_bf16.cpp operations/convolution_amx.cpp operations/convolution_bf16.cpp
  operations/convolution_predict_bf16.cpp operations/convolution_winograd_bf16.cpp)

# compile TARGET BYTES "SOURCES" OPTIONS...: the sources as one translation unit, and the one that is a unit of its own
compile() {
  local target=$1 bytes=$2 source
  for source in $3; do echo "#include \"$source\""; done > "$work/all.cpp"
  echo "$target, vectors of $bytes bytes"
  for source in "$work/all.cpp" native/core/prediction.cpp; do
    python3 -m ziglang c++ -target "$target" "${options[@]}" -DPYSMORCH_VECTOR_BYTES="$bytes" -DPYSMORCH_MODULE=probe "${@:4}" -c "$source" -o "$work/all.o"
  done
}

mapfile -t sources < <(cd native && ls core/*.cpp kernels/*.cpp operations/*.cpp training/*.cpp | grep -vxF "$(printf '%s\n' core/prediction.cpp "${bf16[@]}")")
for target in "${targets[@]}"; do
  compile "$target" 16 "${sources[*]}"
  if [[ $target == x86_64-* ]]; then
    compile "$target" 32 "${sources[*]}" -mavx2 -mfma
    compile "$target" 64 "${sources[*]} ${bf16[*]}" -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx512bf16 -mavx512vnni -mfma \
      -mprefer-vector-width=512 -DPYSMORCH_BF16
  fi
done
echo "all compiled"
