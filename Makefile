# `make demo` and `make test` need Python >= 3.11 with venv, Node >= 20 with npm, and g++. They set up the rest.

PYTHON ?= python3
WORKERS ?= 2
BUDGET ?= 20

BIN := .venv/bin
SETUP := .venv/.installed node_modules/.package-lock.json
PROOFS := .venv/proofs
NATIVE := CMakeLists.txt $(wildcard circuits/kernels/* prover/kernels/*)

# The attacks on proofs again, each proof of one sample judged by the contract and its machine as well.
JUDGED = VERINFER_TEST_JUDGES=machine,contract $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The pins hold in the isolated environment that builds the native code, too (newer pips read the second name).
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' $(MAKEFILE_LIST) \
	  | while read -r name what; do printf 'make %-10s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: $(SETUP) ## the main job on a real model: compile, prove, verify here and on a local chain
	$(BIN)/verinfer demo

.PHONY: disputes
disputes: $(SETUP) ## claims and disputes on a local chain: a true claim, a false one, a groundless dispute
	$(BIN)/verinfer demo --optimistic

.PHONY: test
test: $(SETUP) ## the tests that every change must pass
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
	$(JUDGED) tests/prover/sumcheck/test_argument_attacks.py tests/prover/sumcheck/test_relation_attacks.py

.PHONY: test-long
test-long: $(SETUP) ## the tests that take minutes each
	$(BIN)/python -m pytest -m long
	$(JUDGED) tests/prover/sumcheck

.PHONY: fuzz
fuzz: $(SETUP) ## search at random for inputs that break an invariant
	VERINFER_TEST_BUDGET=$(BUDGET) $(BIN)/python -m pytest -n $(WORKERS) -m 'fuzz or hypothesis' --hypothesis-profile=fuzz

.PHONY: proofs
proofs: $(SETUP) $(PROOFS)/bin/halmos ## prove the contracts' arithmetic for all arguments
	cd contracts && PATH="$(CURDIR)/node_modules/.bin:$$PATH" ../$(PROOFS)/bin/halmos \
	  --match-contract CellArithmeticTest --solver z3 --solver-timeout-assertion 600000

# In an environment of its own: it asks for another version of rich than Verinfer's.
$(PROOFS)/bin/halmos: contracts/proofs.txt
	$(PYTHON) -m venv $(PROOFS)
	PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= $(PROOFS)/bin/pip install --quiet --requirement $<
	touch $@

.PHONY: lint
lint: $(SETUP) ## ruff, and mypy in strict mode
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: bench
bench: $(SETUP) ## the backends side by side, and the service beside a bare endpoint
	$(BIN)/verinfer bench
	$(BIN)/python -m bench.service

.PHONY: contracts
contracts: $(SETUP) ## compile the contracts to contracts/artifacts, bit for bit as committed
	$(BIN)/python -m contracts.build

.PHONY: docs
docs: $(SETUP) ## regenerate docs/operators.md
	$(BIN)/python -m bench.operators

.PHONY: setup
setup: $(SETUP) ## what the others do first: .venv with Verinfer (editable), node_modules

.venv/.installed: pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Verinfer needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci
	touch $@
