#!/usr/bin/env bash
# Where the daemon's processor time goes, as a flame graph: bash tools/flame.sh OUT.svg
#
# The load rig serves CAMERAS cameras (PROFILE, MODEL as in `make load`); once they have settled,
# ten seconds of the daemon's stacks are sampled. Decoders' threads count as one.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup/common.sh

out=$1
command -v perf >/dev/null || die "no perf: apt-get install linux-perf"
PATH="$PATH:$HOME/.cargo/bin"
command -v inferno-flamegraph >/dev/null ||
    die "no inferno: cargo install inferno --version 0.12.4 --locked"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo bench --locked --bench load --no-run
env SETTLE=40 SECONDS=20 CAMERAS="${CAMERAS:-128}" cargo bench --locked --bench load \
    >"$folder/load.txt" 2>&1 &
rig=$!
sleep 45
daemon=$(pgrep -n -x keng) || die "the rig has no daemon: $(tail -n 3 "$folder/load.txt")"
perf record --quiet --event cpu-clock --freq 299 --call-graph dwarf,16384 \
    --pid "$daemon" --output "$folder/perf.data" -- sleep 10
wait "$rig"
grep -E "cameras \(|daemon|quiet|busy" "$folder/load.txt"
# Names of inlined functions would take perf hours.
perf script --no-inline --input "$folder/perf.data" 2>/dev/null |
    sed -E 's/^decode-[^ ]+/decode/; s/^(detect|router|sled-io)-[0-9]+/\1/; s/^tokio-rt-worker/tokio/' |
    inferno-collapse-perf 2>/dev/null |
    inferno-flamegraph --title "keng run, ${CAMERAS:-128} cameras" --minwidth 0.3 >"$out"
say "$out"
