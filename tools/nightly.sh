#!/usr/bin/env bash
# Runs the tests with sanitizers and all campaigns, one after the other, and ends with 1 where anything was wrong:
#   tools/nightly.sh           the sizes of docs/reliability.md; a night on two cores
#   tools/nightly.sh 100 7     a hundredth of them, from seed 7; the seed is the day where none is given
#   tools/nightly.sh 100 7 tests/engine/test_passes.py        with these tests alone
# It runs in an environment in which pysmorch and its tests are installed. With SANITIZED=folder the builds with sanitizers stay there
# for further runs. Linux, GCC.
set -uo pipefail
part=${1:-1} seed=${2:-$(date +%Y%m%d)} failed=()
# What has threads; everything takes many times as long with ThreadSanitizer.
threaded=(tests/engine/test_{passes,threads,native,prediction,select,signals,shards}.py tests/training/test_checkpoints.py
  tests/estimators/test_unchanged.py tests/many tests/cluster/test_sharing.py)
if [ $# -gt 2 ]; then threaded=("${@:3}"); fi
cd "$(dirname "$0")/.."
if [ -z "${SANITIZED:-}" ]; then
  export SANITIZED=$(mktemp -d)
  trap 'rm -rf "$SANITIZED"' EXIT
fi

try() {
  echo "== $*"
  "$@" || failed+=("$*")
}

campaign() {
  try python -W ignore "tools/$1.py" --seed "$seed" --count "$(($2 / part + 1))"
}

sanitized() {
  try tools/sanitize.sh address,undefined "tools/$1.py" --seed "$seed" --count "$(($2 / part + 1))"
}

try tools/sanitize.sh address,undefined -q --hypothesis-profile=default "${@:3}"
try tools/sanitize.sh thread -q "${threaded[@]}"
sanitized mutate_models 1000000
PYSMORCH_INSTRUCTIONS=base sanitized mutate_descriptions 100000
sanitized mutate_descriptions 200000
campaign mutate_data 200000
campaign mutate_checkpoints 20000
campaign mutate_onnx 20000
campaign fail_calls 4000
campaign kill_trainings 300
campaign interrupt_calls 100
campaign endure 100000
printf 'failed: %s\n' "${failed[@]:-nothing}"
exit $((${#failed[@]} > 0))
