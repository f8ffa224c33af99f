#!/usr/bin/env bash
# Builds the extension with sanitizers in an environment of its own and runs tests with it:
#   tools/sanitize.sh address,undefined            the whole test suite
#   tools/sanitize.sh thread tests/engine          the tests of the engine, which run several threads
# Linux and GCC. A report of a sanitizer ends the run with an error.
set -euo pipefail
sanitizers=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -C cmake.define.PYSMORCH_SANITIZE="$sanitizers" -C install.strip=false "$root[test]"
case $sanitizers in
  thread) library=libtsan.so ;;
  *) library=libasan.so ;;
esac
cd "$root"
# Python itself leaks at its end, by design; the threads of NumPy's BLAS are not instrumented and would look like races.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
export PYTHONMALLOC=malloc OPENBLAS_NUM_THREADS=1 LD_PRELOAD="$(g++ -print-file-name=$library) $(g++ -print-file-name=libstdc++.so)"
"$work/venv/bin/python" -m pytest -p no:cacheprovider "$@"
