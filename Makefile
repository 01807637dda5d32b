# `make run` to try it, `make test` to know that it works, `make check` before you push.

.PHONY: run test check fresh setup

# Serves on http://127.0.0.1:8080. For more than a try: `make run PROFILE=release ARGS="--listen 0.0.0.0:80"`.
PROFILE ?= dev
run: setup
	cargo run --profile $(PROFILE) -- $(ARGS)

# The whole suite. Tests wait as often as they work, so there are twice as many at once as there are processors.
RUST_TEST_THREADS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))
test: export RUST_TEST_THREADS := $(RUST_TEST_THREADS)
test: setup
	cargo test

# What must hold before a change is accepted.
check:
	bash .ci/run

# Makes anew what is generated from the code: query data and contracts.
fresh: setup
	bash .ci/with-postgres bash -c 'cargo sqlx migrate run && cargo sqlx prepare -- --all-targets'
	cargo run --quiet -- openapi > openapi.yaml.new && mv openapi.yaml.new openapi.yaml
	cargo run --quiet -- asyncapi > asyncapi.yaml.new && mv asyncapi.yaml.new asyncapi.yaml

setup:
	@bash .ci/setup
