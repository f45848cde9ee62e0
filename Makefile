# jdl: `make demo` shows it, `make test` proves it. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help setup demo demo-stop demo-remove test bench bench-disclosure bench-linkage bench-matching crash soak package clean

help: ## what each command does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24
	@echo '  scripts/with-cluster CMD...   runs a command against a fresh private cluster with jdl in it (PG_CONFIG chooses the Postgres)'

setup: ## install what is missing (Debian packages, cargo-pgrx), build the extension into a private copy of Postgres
	@scripts/setup

demo: ## the whole line on made-up people: register, a provider's list, the report
	@scripts/demo

demo-stop: ## stop the demo's cluster
	@scripts/demo stop

demo-remove: ## stop the demo's cluster and delete it
	@scripts/demo remove

test: ## format, lints, every test: core, in-database, end to end
	@scripts/test

bench: bench-linkage bench-matching ## rows per second of each stage (SIZES="50000 500000"), what the trail costs, criterion benchmarks of the core, both below
	@scripts/bench
	@scripts/bench-audit

crash: ## kill the server at random moments while requests go through the line (ROUNDS=50)
	@scripts/crash

soak: ## many sessions take requests through the whole line at once (SESSIONS=20 SECONDS_LONG=600)
	@scripts/soak

bench-linkage: ## linkage side by side with Splink: time and quality (SIZES="100000 1000000", SEEDS="1 2"; 3600000 is the largest)
	@scripts/bench-linkage

bench-matching: ## matching side by side with MatchIt and scikit-learn: time and memory (GROWTH="100000 1000000" shows how time grows)
	@scripts/bench-matching

bench-disclosure: ## suppression beside the rule "two hidden cells in every line": hidden cells, optima, time (JDL_BENCH_SECONDS=60 JDL_BENCH_SEEDS=1)
	@. scripts/env.sh; cargo bench --locked -p jdl-core --bench disclosure

package: ## the files that `CREATE EXTENSION` needs, in target/package, under the server's own paths
	@scripts/package

clean: ## remove everything that was built, and the demo
	@scripts/demo remove; rm -rf target out
