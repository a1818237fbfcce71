# Everything needs only python3 (3.11 or newer, with pip and venv) and make.
#
#   make demo                      flights from one table to another, on a throwaway PostgreSQL
#   make test ARGS="-k embedded"   pass arguments to pytest
#   make PYTHON=python3.12 test    choose the Python the environment is made with

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .bench-venv
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
# Tests wait for servers and workers much of the time, so two processes suit two cores.
PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-long mistakes chaos interrupts queries bench bench-peers oracle-standin lint format docs notebooks setup clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Move 336,776 flights on a throwaway PostgreSQL and verify the count
	@$(BIN)/python -m mapper_dask.demo $(ARGS)

test: $(VENV)/.dev ## Run the tests, of those that take long a few; ARGS="-k name" is passed to pytest
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile $(ARGS)

test-long: $(VENV)/.dev ## Run what make test leaves out, and all seeds, examples and pairs of what it repeats
	@MAPPER_DASK_TEST_LONG=1 $(BIN)/python -m pytest -m long_form -n $(PROCESSES) --dist loadfile $(ARGS)

mistakes: $(VENV)/.dev ## Make some 270 mistakes, and write down what is told of each
	@MAPPER_DASK_WRITE_MISTAKES=1 $(BIN)/python -m pytest -q tests/integration/mistakes $(ARGS)

chaos: $(VENV)/.dev ## Kill what moves and writes rows: none may be lost or doubled; ARGS="--seed 2"
	@$(BIN)/python -m tests.fault.chaos $(ARGS)

interrupts: $(VENV)/.dev ## Press Ctrl-C at random moments, resume and count; ARGS="--rounds 10 --check"
	@$(BIN)/python -m tests.fault.interrupts $(ARGS)

queries: $(VENV)/.dev ## Plan 5,000 random queries: what is cut must give the rows of one statement
	@MAPPER_DASK_TEST_QUERIES=5000 $(BIN)/python -m pytest tests/property/test_random_queries.py $(ARGS)

bench: $(VENV)/.dev $(PEERS)/.made ## Measure TPC-H lineitem, and write docs/benchmarks.md; ARGS="--scale 1"
	@$(BIN)/python -m benchmarks.tpch $(ARGS)

bench-peers: $(PEERS)/.made ## Make .bench-venv with what the benchmark compares to

oracle-standin: $(VENV)/.dev ## Run the Oracle stand-in by hand on port 1521 (scott/tiger)
	@$(BIN)/python -m tests.oracle_standin $(ARGS)

lint: $(VENV)/.dev ## Check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.dev ## Build the guide and the reference into build/docs; warnings are errors
	@$(BIN)/python -m sphinx -E -q -W --keep-going -c docs . build/docs
	@echo "build/docs/docs/index.html"

notebooks: $(VENV)/.dev ## Write each notebook anew from its Python file
	@$(BIN)/jupytext --quiet --to ipynb --update notebooks/*.py

setup: $(VENV)/.dev ## Make .venv with everything for development

clean: ## Remove .venv and what the tools leave behind
	@rm -rf $(VENV) $(PEERS) .bench-cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	@find mapper_dask -name '*.so' -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make the second call quick; a changed pyproject.toml or C source installs again.
SOURCES := pyproject.toml $(wildcard mapper_dask/dialects/*/*.c)
$(VENV)/.demo: $(SOURCES) | $(BIN)/python
	@echo "installing mapper-dask[demo] into $(VENV) …"
	@$(PIP) install -q -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(SOURCES) | $(BIN)/python
	@echo "installing mapper-dask[dev] into $(VENV) …"
	@$(PIP) install -q -e '.[dev]'
	@touch $@ $(VENV)/.demo

# One by one: a peer that does not install is named in the table, and the others are compared.
$(PEERS)/.made: benchmarks/tpch/peers/requirements.txt | $(BIN)/python
	@echo "installing the benchmark's peers into $(PEERS) …"
	@$(BIN)/python -m venv $(PEERS)
	@echo '*' > $(PEERS)/.gitignore
	@grep -v '^#' $< | while read -r peer; do \
	  $(PEERS)/bin/python -m pip --disable-pip-version-check install -q "$$peer" \
	    || echo "not installed: $$peer"; done
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) -V) is too old; Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
