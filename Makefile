# Kẻng. `make` alone lists the targets. Each target does all the set-up that it needs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# rustup puts cargo there, but only login shells know.
export PATH := $(PATH):$(HOME)/.cargo/bin

# What `make eval` reads: DIR/SPLIT/{images,labels,manifest.csv}.
CORPUS ?=
SPLIT ?= val

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1|\2/p' Makefile | column -t -s '|'

##--- Set-up

.PHONY: setup
setup: ## Get what the build needs: system packages, ONNX Runtime (the others call this)
	@bash tools/setup/setup.sh build

.PHONY: setup-test
setup-test: ## The same and the tests' servers: mosquitto, GStreamer's RTSP server
	@bash tools/setup/setup.sh test

##--- Use

.PHONY: build
build: setup ## Build target/release/keng, its symbols beside it in keng.debug
	cargo build --release --locked
	@bash tools/split_symbols.sh "$${CARGO_TARGET_DIR:-target}/release/keng"

.PHONY: demo
demo: build ## See it work, nothing configured: cameras, alerts, page; Ctrl-C ends it
	exec "$${CARGO_TARGET_DIR:-target}/release/keng" demo

##--- Check

.PHONY: test
test: setup-test ## Run every test, benches in test mode included; lists what was skipped
	@bash tools/test.sh

.PHONY: bench
bench: setup ## Measure each stage beside the bare library; fails over benches/budget.toml
	cargo bench --locked --bench stages --bench decode_threads --bench inference

.PHONY: load
load: setup-test ## A ward on this machine: make load CAMERAS="64 128" PROFILE=rated RELIEF=1
	RELIEF="$(RELIEF)" CAMERAS="$(or $(CAMERAS),128)" PROFILE="$(or $(PROFILE),rated)" SECONDS="$(or $(SECONDS),60)" \
		cargo bench --locked --bench load

.PHONY: flame
flame: setup-test ## Where the daemon's time goes, as docs/flame.svg: make flame CAMERAS=128
	@CAMERAS="$(or $(CAMERAS),128)" bash tools/flame.sh docs/flame.svg

.PHONY: guard
guard: setup-test ## Count instructions and allocations of the hot loop against benches/budget.toml
	cargo test --locked --bench guard -- --test

.PHONY: growth
growth: setup-test ## What grows how with cameras, boxes, zones, incidents, stored alerts
	cargo bench --locked --bench growth

# The Python daemon that ours is compared with, on its pinned libraries.
PEER := .venv/peers/bin/python

.venv/peers/installed.txt: benches/peers/requirements.txt
	python3 -m venv .venv/peers
	$(PEER) -m pip install --quiet --disable-pip-version-check -r $<
	$(PEER) -m pip freeze >$@

# First what a camera costs, then what ten seconds without a broker lose, then how soon each clip's
# fire is told; both daemons on the same streams.
.PHONY: peers
peers: setup-test .venv/peers/installed.txt ## Ours beside a Python daemon: make peers CAMERAS="8 12" SECONDS=60
	DAEMONS="keng peer" PEER_PYTHON="$(CURDIR)/$(PEER)" PROFILE=rated \
		CAMERAS="$(or $(CAMERAS),12)" SECONDS="$(or $(SECONDS),60)" \
		cargo bench --locked --bench load
	DAEMONS="keng peer" PEER_PYTHON="$(CURDIR)/$(PEER)" PROFILE=fires CAMERAS=6 \
		SECONDS="$(or $(SECONDS),60)" OUTAGE=10 cargo bench --locked --bench load
	$(PEER) benches/peers/peer.py replay models/keng.onnx assets/demo/night_fire.mp4 \
		$(wildcard $(KENG_CORPUS)/clips/*fire*.mp4 $(KENG_CORPUS)/clips/*arson*.mp4)

# How often `make chaos` kills the daemon, and breaks something else.
KILLS ?= 200
BREAKS ?= 100

.PHONY: chaos
chaos: setup-test ## Kill, cut, fill and break everything under load: nothing may be lost
	KILLS=$(KILLS) BREAKS=$(BREAKS) cargo test --locked --test chaos -- --nocapture

.PHONY: eval
eval: ## Evaluate models/keng.onnx: make eval CORPUS=DIR SPLIT=NAME; last line is JSON
	@bash tools/eval.sh "$(CORPUS)" "$(SPLIT)"

.PHONY: figures
figures: setup ## Bring the documents' tables after docs/results.json (RECORD=1 make eval, load, bench)
	KENG_REWRITE_FIGURES=1 cargo test --locked --test results

.PHONY: lint
lint: setup ## Formatting and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --locked --all-targets -- -D warnings

.PHONY: doc
doc: setup ## Build the API's documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --locked --no-deps

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: clean
clean: ## Remove everything that was built or fetched; the store (var) stays
	cargo clean
	rm -rf .runtime .venv
