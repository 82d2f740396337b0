# `make help` lists what there is.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: test
test: lint doc ## All that must be good: format, lints, documents, tests (the end-to-end ones need root)
	scripts/install-deps test
	cargo test --workspace --doc --quiet
	@if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace; else cargo test --workspace --all-targets; fi

.PHONY: lint
lint: ## Format and lints, all warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: doc
doc: ## Documents of all crates, all warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

.PHONY: demo-down
demo-down: ## Remove the demo's lab, whatever state it is in
	cargo run --quiet -- lab down --name demo

.PHONY: bench
bench: ## Speed and memory beside references of the same run (needs root, and a machine with nothing else to do)
	scripts/install-deps test
	cargo build --release --package culvert --package bench
	$${CARGO_TARGET_DIR:-target}/release/bench

.PHONY: bench-record
bench-record: ## The same, written to docs/benchmarks.md
	scripts/install-deps test
	cargo build --release --package culvert --package bench
	mkdir -p docs
	$${CARGO_TARGET_DIR:-target}/release/bench --record docs/benchmarks.md
