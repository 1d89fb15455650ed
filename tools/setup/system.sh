#!/usr/bin/env bash
# System packages: bash tools/setup/system.sh build|test|eval
#
# On Debian 12 and 13 what is missing is installed. Elsewhere we only look whether the build could
# work, and say what is missing by Debian's names.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup/common.sh
mkdir -p .runtime

build_packages=(
    build-essential pkg-config
    libavcodec-dev libavformat-dev libavutil-dev libswscale-dev # FFmpeg's headers
    libclang-dev                                                # bindgen reads them with it
    python3 python3-pip ca-certificates                         # to fetch ONNX Runtime
)
# Servers that we did not write: tests speak with a real broker and a real RTSP server.
test_packages=(
    ffmpeg mosquitto mosquitto-clients
    python3-gi gir1.2-gst-rtsp-server-1.0
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    chromium # the page is tested in a real browser; without it those tests are skipped
    valgrind # counts instructions; without it those guards are skipped
    python3-venv # the daemon that ours is compared with
)

case "$1" in
build) packages=("${build_packages[@]}") ;;
test) packages=("${build_packages[@]}" "${test_packages[@]}") ;;
eval) packages=(python3 python3-pip python3-venv ca-certificates) ;;
*) die "usage: bash tools/setup/system.sh build|test|eval" ;;
esac

# --- Is it Debian?

# look_for_build: adds to `missing` what the build would not find, by Debian's names.
look_for_build() {
    local library
    command -v cc >/dev/null || missing+=(build-essential)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    if command -v pkg-config >/dev/null; then
        for library in libavcodec libavformat libavutil libswscale; do
            pkg-config --exists "$library" || missing+=("$library-dev")
        done
    else
        missing+=(pkg-config libavcodec-dev libavformat-dev libavutil-dev libswscale-dev)
    fi
    compgen -G '/usr/lib*/llvm*/lib/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib*/**/libclang*.so*' >/dev/null || missing+=(libclang-dev)
}

ID='' VERSION_ID='' PRETTY_NAME='an unknown system'
# shellcheck source=/dev/null
[ -r /etc/os-release ] && . /etc/os-release

if [ "$ID" != debian ] || { [ "$VERSION_ID" != 12 ] && [ "$VERSION_ID" != 13 ]; }; then
    missing=()
    command -v python3 >/dev/null || missing+=(python3)
    if [ "$1" = eval ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    else
        look_for_build
    fi
    if [ "$1" = test ]; then
        for program in ffmpeg mosquitto; do
            command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] ||
                missing+=("$program")
        done
        command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients)
        /usr/bin/python3 - >/dev/null 2>&1 <<'PYTHON' || missing+=("${test_packages[@]:3:5}")
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GstRtspServer
PYTHON
    fi
    if [ "${#missing[@]}" -gt 0 ]; then
        die "this is $PRETTY_NAME, but packages are installed on Debian 12 and 13 only." \
            "Install by hand what these Debian packages hold, then run make again:" \
            "    ${missing[*]}"
    fi
    say "this is $PRETTY_NAME, not Debian 12 or 13: nothing is missing, going on untested"
    exit 0
fi

# --- What is missing?

# One question for all of them: dpkg-query fails where it does not know some, and lists the rest.
known=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null) || true
missing=()
for package in "${packages[@]}"; do
    grep -qx "$package installed" <<<"$known" || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

by_hand=(
    "Missing system packages; as root, install them and run make again:"
    "    apt-get install --no-install-recommends ${missing[*]}"
)
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        die "this is not root and there is no sudo." "${by_hand[@]}"
    # Without a terminal nobody can type a password.
    [ -t 0 ] || sudo -n true 2>/dev/null ||
        die "sudo wants a password and there is no terminal to ask." "${by_hand[@]}"
    as_root=(sudo)
fi

# --- Install.

# A package that brings a service starts it while it is installed. Ours (mosquitto on port 1883)
# is wanted as a program only: the tests start their own on free ports. Debian's own switch for
# that is policy-rc.d; one that is there already stays as it is.
guard=/usr/sbin/policy-rc.d
guarded=no
unguard() {
    [ "$guarded" = no ] || "${as_root[@]}" rm -f "$guard"
}
trap unguard EXIT
had_broker=no
grep -qx 'mosquitto installed' <<<"$known" && had_broker=yes
if [ "$1" = test ] && [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
    guarded=yes
    "${as_root[@]}" chmod 755 "$guard"
fi

# run_apt ARGUMENT...: with a progress bar on a terminal; otherwise silent unless it fails.
run_apt() {
    # env: sudo drops the variable otherwise.
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y
        --no-install-recommends -o DPkg::Lock::Timeout=300)
    if [ -t 1 ]; then
        "${apt[@]}" -o Dpkg::Progress-Fancy=1 "$@"
    else
        "${apt[@]}" -qq -o Dpkg::Use-Pty=0 "$@" >.runtime/apt.log 2>&1 ||
            { tail -n 20 .runtime/apt.log >&2 && false; }
    fi
}

say "installing ${missing[*]}"
run_apt update || die "apt-get update failed, see above; is there a network?" "${by_hand[@]}"
run_apt install "${missing[@]}" || die "apt-get install failed, see above." "${by_hand[@]}"

# The guard holds for the installation; the next boot would start the service.
if [ "$guarded" = yes ] && [ "$had_broker" = no ] && [ -d /run/systemd/system ]; then
    "${as_root[@]}" systemctl disable --quiet mosquitto.service ||
        say "could not disable mosquitto.service: it will listen on port 1883 after a reboot"
fi
