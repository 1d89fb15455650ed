#!/usr/bin/env bash
# Checks that there is a Rust toolchain, new enough. It installs none: which toolchains a machine
# has is its owner's business.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup/common.sh

wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

how=(
    "Install Rust with rustup (https://rustup.rs), which needs no root:"
    "    rustup toolchain install stable --profile minimal --component clippy,rustfmt"
    "then open a new shell and run make again."
)
# Makefile has put ~/.cargo/bin at the end of PATH, where rustup puts it.
command -v cargo >/dev/null ||
    die "cargo was not found; Kẻng needs Rust $wanted or newer, Debian's own is too old." \
        "${how[@]}"
have=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) ||
    die "cargo does not start: $(cargo --version 2>&1 | head -n 1)" "${how[@]}"
version_at_least "${have%%-*}" "$wanted" ||
    die "cargo $have is too old; Kẻng needs Rust $wanted or newer." "${how[@]}"
