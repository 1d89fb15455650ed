#!/usr/bin/env bash
# Brings what `make build` or `make test` needs: bash tools/setup/setup.sh build|test
#
# It looks at what is there instead of keeping a stamp, since a stamp goes on promising a package
# that somebody has removed. With everything in place it takes well under a second, asks for no
# password and uses no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup/common.sh

case "${1:-}" in
build | test) level=$1 ;;
*) die "usage: bash tools/setup/setup.sh build|test" ;;
esac

[ "$(uname -s)" = Linux ] || die "Kẻng runs on Linux; this is $(uname -s)."

# Two makes at once must not unpack or install over each other.
mkdir -p .runtime
exec 9>.runtime/.lock
if ! flock --nonblock 9; then
    say "another set-up is at work in this tree; waiting for it"
    flock 9
fi

bash tools/setup/rust.sh
bash tools/setup/system.sh "$level"
bash tools/setup/onnxruntime.sh
if [ "$level" = test ]; then bash tools/setup/axe.sh; fi
