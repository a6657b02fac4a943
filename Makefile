# Two commands matter: `make demo` and `make test`. Both need only Python (3.11 or newer) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CHECK_TOOLS := hypothesis import-linter matplotlib mypy pytest pytest-randomly ruff scipy
TORCH := torch==2.13.0

.PHONY: setup demo test test-all lint bench bench-control train clean

setup: $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/tenuto demo --report tenuto-report.html

test: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

test-all: $(VENV)/.train
	$(MAKE) test
	$(BIN)/pytest -m slow

bench: $(VENV)/.check
	$(BIN)/python -m benchmarks

# Hours with all seeds, minutes with ARGS=--quick; what is done is kept, so an interrupted run goes on.
bench-control: $(VENV)/.check
	$(BIN)/python -m benchmarks.control $(ARGS)

train: $(VENV)/.train
	$(BIN)/tenuto train fashion

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(PIP) -e .
	touch $@

$(VENV)/.check: $(VENV)/.core
	$(PIP) $(CHECK_TOOLS)
	touch $@

# Torch by itself and pinned: a looser version would pull gigabytes of CUDA libraries.
$(VENV)/.train: $(VENV)/.check
	$(PIP) $(TORCH)
	$(PIP) -e '.[train]'
	touch $@

clean:
	rm -rf $(VENV) dist build
