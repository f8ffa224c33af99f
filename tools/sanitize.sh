#!/usr/bin/env bash
# Builds the extension with sanitizers in an environment of its own and runs tests, or a campaign, with it:
#   tools/sanitize.sh address,undefined                              the whole test suite
#   tools/sanitize.sh thread tests/engine                            the tests of the engine, which run several threads
#   tools/sanitize.sh address,undefined tools/mutate_models.py       a campaign, with its arguments
# SANITIZED is a folder in which environments stay, so that only the first of several runs builds.
# Linux and GCC. A report of a sanitizer ends the run with an error.
set -euo pipefail
sanitizers=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${SANITIZED:-$work}/$sanitizers
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -C cmake.define.PYSMORCH_SANITIZE="$sanitizers" -C install.strip=false "$root[test]"
  touch "$venv/ready"
fi
case $sanitizers in
  thread)
    cc -shared -fPIC -O1 -o "$work/clocklock.so" "$root/tools/clocklock.c"
    libraries="$(g++ -print-file-name=libtsan.so) $work/clocklock.so" ;;
  *) libraries="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" ;;
esac
cd "$root"
# Python itself leaks at its end, by design; the threads of NumPy's BLAS are not instrumented and would look like races.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 OPENBLAS_NUM_THREADS=1
# Its detector of deadlocks ends the process where somebody holds more than 64 locks, as PyArrow does.
export TSAN_OPTIONS=detect_deadlocks=0:die_after_fork=0:exitcode=66:log_path="$work/races":suppressions="$root/tools/thread_suppressions.txt"
run=(-m pytest -p no:cacheprovider)
case "${1:-}" in
  *.py) run=() ;;
  *) export PYTHONMALLOC=malloc ;;
esac
code=0
LD_PRELOAD="$libraries $(g++ -print-file-name=libstdc++.so)" "$venv/bin/python" "${run[@]}" "$@" || code=$?
if compgen -G "$work/races*" > /dev/null; then cat "$work"/races*; code=66; fi
exit $code
