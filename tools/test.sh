#!/usr/bin/env bash
# Every test, then the benches in test mode, then what was skipped and why: bash tools/test.sh
#
# A test that lacks something optional (such as the corpus of real clips, KENG_CORPUS) passes and
# prints a line "skipped: WHY". Such lines are collected, so that a green run does not look like
# more than it was. Fails when any test fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# --show-output makes passing tests' lines reach the log; on the screen they are only noise.
without_output_of_passed() {
    awk '/^successes:$/ { hidden = 1 }
         /^failures:$/ || /^test result:/ { hidden = 0 }
         !hidden { print; fflush() }'
}

cargo test --workspace --locked --no-fail-fast "$@" -- --show-output 2>&1 |
    tee -a "$log" | without_output_of_passed || failed=1

# Each bench once, on little input: they must not rot.
if [ "$#" -eq 0 ] && compgen -G 'benches/*.rs' >/dev/null; then
    cargo test --locked --no-fail-fast --bench '*' -- --test 2>&1 |
        tee -a "$log" | without_output_of_passed || failed=1
fi

echo
# Numbers from libtest's own closing lines, one a test program.
awk '/^test result:/ { passed += $4; failures += $6; ignored += $8; programs++ }
     END { printf "%d test programs: %d passed; %d failed; %d ignored\n",
                  programs, passed, failures, ignored }' "$log"
skipped=$(grep -o 'skipped: .*' "$log" | sort | uniq -c | sed 's/^ *\([0-9]*\) /\1 × /')
if [ -n "$skipped" ]; then
    echo "Skipped:"
    while IFS= read -r line; do echo "  $line"; done <<<"$skipped"
else
    echo "Nothing was skipped."
fi
if [ "$failed" -ne 0 ]; then
    echo "FAILED"
    exit 1
fi
