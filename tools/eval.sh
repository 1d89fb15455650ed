#!/usr/bin/env bash
# Evaluates the shipped model on labelled pictures: bash tools/eval.sh DIR SPLIT
#
# Prints as its last line one JSON object with "ap50" for each class. With RECORD=1 the figures go
# into docs/results.json, too. Python lives in .venv, from pinned wheels whose checksums are checked.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup/common.sh

corpus=$1 split=$2
if [ -z "$corpus" ]; then
    echo "skipped: no corpus given; make eval CORPUS=DIR SPLIT=NAME"
    exit 0
fi
[ -f "$corpus/$split/manifest.csv" ] ||
    die "there is no $corpus/$split/manifest.csv; make eval CORPUS=DIR SPLIT=NAME"

requirements=models/training/requirements-eval.txt
stamp=.venv/requirements-eval.txt
if ! cmp --silent "$requirements" "$stamp"; then
    say "getting the evaluation's Python packages into .venv"
    bash tools/setup/system.sh eval
    python3 -m venv .venv >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary=:all: --requirement "$requirements"
    cp "$requirements" "$stamp"
fi
exec .venv/bin/python models/training/evaluate.py \
    --corpus "$corpus" --split "$split" --model models/keng.onnx \
    ${RECORD:+--record docs/results.json}
