#!/usr/bin/env bash
# Moves a binary's symbols into a file beside it: bash tools/split_symbols.sh target/release/keng
#
# The binary that is left is a fifth as large. It names FILE.debug, where backtraces and debuggers
# find functions and lines as long as both files lie in one folder.
set -euo pipefail

binary=$1
debug=$binary.debug
# Cargo puts the whole binary back where it links anew; a stripped one has nothing left to move.
readelf --section-headers --wide "$binary" | grep -q '\.debug_line' || exit 0
objcopy --only-keep-debug --compress-debug-sections "$binary" "$debug"
stripped=$(mktemp "$binary.XXXXXX")
trap 'rm -f "$stripped"' EXIT
strip --strip-all -o "$stripped" "$binary"
(cd "$(dirname "$binary")" && objcopy --add-gnu-debuglink="$(basename "$debug")" "$(basename "$stripped")")
# Not in place: Cargo's own copy of the binary is the same file.
mv "$stripped" "$binary"
chmod 755 "$binary"
