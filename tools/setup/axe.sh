#!/usr/bin/env bash
# axe-core's rules into .runtime/axe/axe.min.js, by which the page's accessibility is tested.
#
# Like ONNX Runtime it is taken out of a Python wheel, which pip fetches from whatever index the
# machine is set up for; the wheel's checksum is pinned here. It is not needed to build or run
# anything: where it can't be had, that test says that it was skipped. (MPL-2.0, by Deque Systems.)
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup/common.sh

package=axe-playwright-python
version=0.1.8
wheel_sha256=fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8
target=.runtime/axe

[ -f "$target/axe.min.js" ] && [ "$(cat "$target/WHEEL" 2>/dev/null)" = "$wheel_sha256" ] && exit 0

without() {
    say "$1: the page is tested without axe-core's rules"
    exit 0
}

python=$(python_with_pip) || without "there is no python3 with pip"

say "fetching axe-core (0.2 MB)"
work=$(mktemp -d .runtime/fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$work" "$package==$version" 2>"$work/said" ||
    without "pip could not fetch $package==$version"
wheel=$(echo "$work"/*.whl)
echo "$wheel_sha256  $wheel" | sha256sum --status --check ||
    without "the wheel that pip fetched is not the pinned one"

"$python" -m zipfile -e "$wheel" "$work"
mkdir -p "$target"
mv "$work/axe_playwright_python/axe.min.js" "$target/"
# Last, so that it stands only beside the whole file.
echo "$wheel_sha256" >"$target/WHEEL"
say "axe-core is in $target"
