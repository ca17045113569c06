# What a person or a CI runs. Every target sets up what it needs (tools/setup) and says so.
#
# demo, test and check share the dev profile and so one build; bench alone builds for release.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO ?= cargo
# Seconds per fuzz target in `make check`.
FUZZ_SECONDS ?= 60
# For example `--quick`, or `--only idle`; empty: everything.
BENCH_ARGS ?=

.PHONY: help demo test bench check format-check lint doc deny advisories fuzz

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build, then run every step of `schleuse demo` and compare what comes with what should.
	@tools/setup demo
	$(CARGO) run --locked -p schleuse -- demo --tour

test: ## All tests of the workspace.
	@tools/setup test
	$(CARGO) test --workspace --locked

bench: ## Side by side with nginx and HAProxy, then the core alone; prints ratios and writes benches/BASELINE.md.
	@tools/setup bench
	$(CARGO) build --locked --release -p schleuse -p launchday -p schleuse-benches
	$(CARGO) run --locked --release -p schleuse-benches -- side-by-side $(BENCH_ARGS)
	$(CARGO) bench --locked -p schleuse-benches

check: format-check lint doc test deny fuzz ## Everything that must hold before a merge.

format-check: ## Formatting.
	$(CARGO) fmt --all -- --check

lint: ## Clippy over all targets, warnings are errors.
	@tools/setup build
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: ## Documentation of the code, warnings are errors.
	@tools/setup build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

deny: ## Licences, sources and duplicate versions of the dependencies (deny.toml).
	@tools/setup deny
	$(CARGO) deny --locked check bans licenses sources

# Apart from `check`: an advisory is news, and news must not break unrelated work. For a nightly job.
advisories: ## Known vulnerabilities of the dependencies; needs the network.
	@tools/setup deny
	$(CARGO) deny --locked check advisories

fuzz: ## Each fuzz target for FUZZ_SECONDS, from the committed seeds.
	@tools/setup fuzz
	FUZZ_SECONDS=$(FUZZ_SECONDS) proxy/http1/fuzz/run
