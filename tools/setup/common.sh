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

# python_with_pip: prints a Python that has pip; ends with 1 where there is none. The first in the
# path may be somebody's own without it.
python_with_pip() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}
