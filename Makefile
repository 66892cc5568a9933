# make run is where to begin; README.md tells the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lock-installed
# Arguments of the server that `make run` starts, as in `make run ARGS="--secure-port 7443"`.
ARGS ?=

.PHONY: build develop run test test-rust test-python test-peers bench wheel verify lock clean prerequisites

## build: the commands, optimised, in .venv/bin
build: $(STAMP)
	@hack/install --release

## run: build and start a server in the foreground; its data goes to .kcp
run: build
	@exec $(BIN)/kcp start $(ARGS)

## develop: as build, quick to compile and slow to run; what the tests use
develop: $(STAMP)
	@hack/install

## test: everything but the comparisons with other programs
test: test-rust test-python

test-rust: prerequisites
	cargo test --workspace --exclude kcp-py --locked --quiet

test-python: develop
	hack/tools
	$(BIN)/python -m pytest -m "not peers"

## test-peers: what compares with a real kube-apiserver; builds it, so Go is needed
test-peers: develop
	@if $(BIN)/python -m pytest -q --collect-only -m peers >/dev/null; then \
		hack/tools && hack/peers && $(BIN)/python -m pytest -m peers; \
	else \
		echo "no test compares with a peer"; \
	fi

## bench: the table of docs/benchmarks.md, against peers where Go is present
bench: build
	$(BIN)/python -m benches

## wheel: a wheel for this platform, in dist/
wheel: $(STAMP)
	$(BIN)/maturin build --release --locked --out dist

## verify: every static check that CI runs
verify: develop
	hack/verify

## lock: pin the newest versions that pyproject.toml allows
lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-find-links \
		--group dev pyproject.toml --custom-compile-command "make lock" --output-file hack/requirements.lock

clean:
	rm -rf $(VENV) target dist python/kcp/*.so

prerequisites:
	@PYTHON="$(PYTHON)" hack/prerequisites

$(STAMP): hack/requirements.lock | prerequisites
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r hack/requirements.lock
	@touch $@
