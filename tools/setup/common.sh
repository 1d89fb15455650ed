# shellcheck shell=bash
# Shared by the set-up scripts; sourced, not run.

say() { printf 'setup: %s\n' "$*"; }

# die LINE...: says every line and ends with 1.
die() {
    local line
    for line in "$@"; do printf 'setup: %s\n' "$line" >&2; done
    exit 1
}

# version_at_least HAVE WANT: compares dotted numbers.
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}
