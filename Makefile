# Two commands: `make demo` ends with a verdict and a report, `make test` with the whole suite.
# Stamp files make the second call fast; a change of pyproject.toml installs again.

PYTHON ?= python3
VENV ?= .venv
STUDY ?= studies/quick.yaml
# Tests at once; each with one thread. `make test JOBS=0` runs them in one process.
JOBS ?= 2
# Wheels of torch without CUDA, say: make demo TORCH_INDEX=<index of CPU wheels>
TORCH_INDEX ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format types clean

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run  ## install, fetch the weights, run the quick study: verdict table and report.html
	$(BIN)/tpbench weights fetch
	$(BIN)/tpbench run $(STUDY)

test: $(VENV)/.test  ## the whole test suite, doctests included
	@$(BIN)/tpbench weights fetch || echo "no weights: the tests that need them will fail" >&2
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.test  ## speed and memory, measured; with BASE=<commit> this tree against that one
ifdef BASE
	$(BIN)/python benchmarks/compare_trees.py $(BASE) $(ARGS)
else
	$(BIN)/python -m pytest benchmarks -o python_files='bench_*.py' $(ARGS)
endif

lint: $(VENV)/.test  ## style and form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.test  ## put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.test  ## static types
	$(BIN)/mypy

clean:  ## remove the environment and build products; run folders stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .tox

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tpbench needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing tpbench and torch into $(VENV); the first time takes minutes" >&2
	$(PIP) install --quiet $(INDEX) -e '.[run]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "installing tpbench, torch and the test tools into $(VENV); the first time takes minutes" >&2
	$(PIP) install --quiet $(INDEX) -e '.[test]'
	@touch $@ $(VENV)/.run
