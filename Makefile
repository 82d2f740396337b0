# `make help` lists what there is.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: test
test: lint deny proto-check doc ## All that must be good: format, lints, documents, tests (the end-to-end ones need root)
	scripts/install-deps test
	@if command -v cargo-nextest >/dev/null; then cargo test --workspace --doc --quiet && cargo nextest run --workspace; \
	else cargo test --workspace; fi

.PHONY: lint
lint: ## Format and lints, all warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Not in Debian: built once from source, at a fixed version, outside the checkout.
cargo_deny_version := 0.20.2
tools := $(or $(CULVERT_CACHE_DIR),/var/tmp/culvert-cache)/tools

.PHONY: deny
deny: $(tools)/cargo-deny-$(cargo_deny_version) ## Licences, duplicates and sources of what is linked in
	$(tools)/cargo-deny-$(cargo_deny_version)/bin/cargo-deny --log-level error check bans licenses sources

$(tools)/cargo-deny-$(cargo_deny_version):
	@echo "building cargo-deny $(cargo_deny_version), once"
	CARGO_TARGET_DIR=$(tools)/target cargo install --quiet --locked cargo-deny@$(cargo_deny_version) --root $@.new
	mv $@.new $@
	rm -rf $(tools)/target

.PHONY: proto-check
proto-check: ## The generated protocol code is what the .proto file gives
	cargo xtask proto --check

.PHONY: doc
doc: ## Documents of all crates, all warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

PREFIX ?= /usr/local

# DESTDIR is where packagers have it.
.PHONY: install
install: ## The program, manual pages, completion and systemd units: PREFIX=/usr/local
	@test -x $(CULVERT) || cargo build --release --package culvert
	install -D -m 755 $(CULVERT) $(DESTDIR)$(PREFIX)/bin/culvert
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/culvert*.1
	$(CULVERT) man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,$(dir $(completions)) lib/systemd/system)
	$(CULVERT) completion bash > $(DESTDIR)$(PREFIX)/$(word 1,$(completions))
	$(CULVERT) completion zsh > $(DESTDIR)$(PREFIX)/$(word 2,$(completions))
	$(CULVERT) completion fish > $(DESTDIR)$(PREFIX)/$(word 3,$(completions))
	for unit in culvert-server culvert-agent; do \
	    sed 's|@PREFIX@|$(PREFIX)|' systemd/$$unit.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service; \
	done

completions := share/bash-completion/completions/culvert share/zsh/site-functions/_culvert \
    share/fish/vendor_completions.d/culvert.fish

.PHONY: demo
demo: ## Three hosts, two networks, six VMs: what Culvert does, on this machine (needs root; up until Ctrl-C)
	scripts/install-deps run
	cargo build --release --package culvert
	$(CULVERT) lab run --name demo

.PHONY: demo-down
demo-down: ## Remove the demo's lab, whatever state it is in
	@test -x $(CULVERT) || cargo build --release --package culvert
	$(CULVERT) lab down --name demo

# Where cargo puts the release binary, wherever it is told to build.
CULVERT ?= $${CARGO_TARGET_DIR:-target}/release/culvert

.PHONY: soak
soak: ## What runs longer, never needed for green: fuzzing, many cases and seeds, mutants, the end-to-end tests again and again
	scripts/install-deps soak
	scripts/soak

SEEDS ?= 500
STEPS ?= 400

.PHONY: sim
sim: ## Seeded simulation of many hosts: SEEDS=500 STEPS=400
	cargo run --quiet --package sim -- --seeds $(SEEDS) --steps $(STEPS)

.PHONY: sim-defects
sim-defects: ## Deliberate mistakes in the simulation, and what finds each
	cargo run --quiet --package sim -- --seeds $(SEEDS) --steps $(STEPS) defects

# Built once from source, at a fixed version, as cargo-deny is.
cargo_mutants_version := 27.1.0
CRATES ?= pipeline directory sync
SHARD ?= 0/1
# Properties fail on their first case that does, not on the smallest. Mutants that survive are named, and are no failure: who
# reads them knows whether they matter (docs/mutants.md).
mutants_env = PROPTEST_CASES=64 PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 INSTA_UPDATE=no

.PHONY: mutants
mutants: $(tools)/cargo-mutants-$(cargo_mutants_version) ## Small mistakes in the pure crates, each of which their tests must find: CRATES="pipeline directory sync" SHARD=0/1
	@for crate in $(CRATES); do \
	    env -u CARGO_TARGET_DIR -u CARGO_INCREMENTAL $(mutants_env) PATH="$(tools)/cargo-mutants-$(cargo_mutants_version)/bin:$$PATH" \
	        cargo mutants --package $$crate --shard $(SHARD) --output $(mutants_out)/$$crate; \
	    case $$? in 0 | 2 | 3) ;; *) exit 1 ;; esac; \
	done

mutants_out = $${CARGO_TARGET_DIR:-$(CURDIR)/target}/mutants

$(tools)/cargo-mutants-$(cargo_mutants_version):
	@echo "building cargo-mutants $(cargo_mutants_version), once"
	CARGO_TARGET_DIR=$(tools)/target cargo install --quiet --locked cargo-mutants@$(cargo_mutants_version) --root $@.new
	mv $@.new $@
	rm -rf $(tools)/target

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

.PHONY: reliability
reliability: ## The failure table's figures on this machine, written to docs/reliability.md (needs root)
	scripts/install-deps test
	rm -rf $(figures) && mkdir -p $(figures)
	CULVERT_RELIABILITY_DIR=$(figures) cargo test --package culvert --test e2e -- --test-threads 1 chaos
	cargo run --quiet -p xtask -- reliability $(figures)

figures = $${CARGO_TARGET_DIR:-$(CURDIR)/target}/reliability
