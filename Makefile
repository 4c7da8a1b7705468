# The commands there are. Every one sets up what it needs; a second run fetches and rebuilds nothing.
SHELL := /bin/bash
PYTHON ?= python3
export CARGO_TERM_COLOR ?= auto

.PHONY: help setup build demo test fuzz faults overfit bench bench-preprocess bench-trainer lint doctor test-env clean-demo

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## check the prerequisites, fetch the native libraries into .deps
	@bash setup/check.sh
	@$(PYTHON) setup/fetch.py

build: setup ## both programs, in target/release
	@cargo build --release --locked --workspace

demo: build ## render a street world, make shards, train, evaluate, write a page of pictures
	@bash demo/run.sh

test-env: setup
	@$(PYTHON) setup/python_env.py test

test: build test-env ## every test
	@SUW_REQUIRE_PYTHON=1 cargo test --release --locked --workspace

fuzz: build ## every parser against hostile input, for SUW_FUZZ_SECONDS (300) in all
	@SUW_FUZZ_SECONDS=$${SUW_FUZZ_SECONDS:-300} cargo test --release --locked -p suw-preprocess --test hostile -- --nocapture no_input

faults: build ## the long series: 200 kills of a run, 50 of a training, 1,000 mutations of each kind; SUW_SEED=N for others
	@SUW_KILLS=$${SUW_KILLS:-200} SUW_MUTATIONS=$${SUW_MUTATIONS:-1000} cargo test --release --locked -p suw-preprocess \
		--test programs -- --nocapture --test-threads 1 kill mutation
	@SUW_KILLS=$${SUW_TRAINER_KILLS:-50} cargo test --release --locked -p suw-trainer --test integration -- --nocapture kills

bench: bench-preprocess bench-trainer ## speed and memory beside the Python that a user would write; see docs/benchmarks.md

bench-preprocess: build
	@$(PYTHON) setup/python_env.py bench
	@test -x .deps/bench-bin/bin/b3sum || cargo install --quiet --locked --root .deps/bench-bin b3sum@1.8.7
	@.deps/bench-env/bin/python tests/bench/preprocess.py $(BENCH_ARGS)

overfit: build ## four street-world clips learned by heart, S alone and U alone; an hour on two cores
	@bash tests/overfit/run.sh

bench-trainer: build
	@$(PYTHON) setup/python_env.py bench-trainer
	@bash tests/bench/trainer_shards.sh
	@.deps/bench-trainer-env/bin/python tests/bench/trainer.py --shards target/bench/trainer/shards $(BENCH_TRAINER_ARGS)

clean-demo: ## forget what the demo made, so that the next one makes all of it again
	@rm -rf demo/out runs/demo

lint: setup ## format, clippy, documentation; warnings are errors
	@cargo fmt --all --check
	@cargo clippy --release --locked --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --quiet

doctor: build ## versions of the native libraries, execution providers, CUDA yes or no
	@target/release/suw-preprocess doctor
	@target/release/suw-trainer doctor
