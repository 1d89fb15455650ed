#!/usr/bin/env bash
# ONNX Runtime's shared library into .runtime/onnxruntime/, where the binary looks for it.
#
# The library is taken out of its Python wheel, which pip fetches from whatever index the machine
# is set up for; neither version nor content is left to the index: the checksum is pinned here.
# Python is not needed when the daemon runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup/common.sh

version=1.31.1
case "$(uname -m)" in
x86_64)
    platform=manylinux_2_28_x86_64
    wheel_sha256=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
    ;;
aarch64)
    platform=manylinux_2_28_aarch64
    wheel_sha256=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
    ;;
*) die "no ONNX Runtime is known for $(uname -m); Kẻng runs on x86_64 and aarch64." ;;
esac

target=.runtime/onnxruntime
library=libonnxruntime.so.$version
mkdir -p .runtime

# Written last, so that it stands only beside a whole library of this very wheel.
if [ -f "$target/SHA256SUMS" ] &&
    [ "$(cat "$target/WHEEL" 2>/dev/null)" = "$wheel_sha256" ] &&
    [ -e "$target/libonnxruntime.so" ] &&
    (cd "$target" && sha256sum --status --check SHA256SUMS); then
    exit 0
fi

python=$(python_with_pip) || die "python3 with pip is needed to fetch ONNX Runtime: install python3-pip."

say "fetching ONNX Runtime $version (24 MB)"
work=$(mktemp -d .runtime/fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT
quiet=(--quiet)
[ -t 1 ] && quiet=()
"$python" -m pip download "${quiet[@]}" --disable-pip-version-check --no-deps --dest "$work" \
    --only-binary=:all: --platform "$platform" --python-version 3.11 \
    "onnxruntime==$version" ||
    die "pip could not fetch onnxruntime==$version; its own message stands above." \
        "Without a network, fetch the wheel elsewhere and name its folder in PIP_FIND_LINKS."

wheel=$(echo "$work"/onnxruntime-*.whl)
echo "$wheel_sha256  $wheel" | sha256sum --status --check ||
    die "the wheel that pip fetched is not the pinned one (sha256 $wheel_sha256)." \
        "Nothing was installed."

"$python" -m zipfile -e "$wheel" "$work"
rm -rf "$target.new"
mkdir "$target.new"
mv "$work/onnxruntime/capi/$library" "$target.new/"
chmod 644 "$target.new/$library"
ln -s "$library" "$target.new/libonnxruntime.so"
for notice in LICENSE ThirdPartyNotices.txt; do
    mv "$work/onnxruntime/$notice" "$target.new/"
done
echo "$wheel_sha256" >"$target.new/WHEEL"
(cd "$target.new" && sha256sum "$library" >SHA256SUMS)
rm -rf "$target"
mv "$target.new" "$target"
say "ONNX Runtime $version is in $target"
