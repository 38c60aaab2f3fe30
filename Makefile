# Everything a developer does here. Each target makes what it needs; none needs another one first.
# PYTHON=python3.12 chooses another Python (3.11 or newer) for the virtual environment.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BUILD := .build

# Two workers: the end-to-end tests wait for processes more than they compute, and CI has two cores.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test test-system test-sdks check bench long dist clean

help:
	@echo 'make demo         the whole of keyfob in a minute, against a simulator; nothing of yours is touched'
	@echo 'make test         unit, contract and end-to-end tests, and the coverage gate'
	@echo 'make check        linters, types, architecture'
	@echo 'make test-system  what needs root, Debian packages or a second user; names what it left out'
	@echo 'make test-sdks    clients of other families, from PyPI and npm, against the endpoint'
	@echo 'make bench        a table of measurements'
	@echo 'make long         full-size runs'
	@echo 'make dist         wheel and sdist, looked into'
	@echo 'make clean        removes what the other targets made'

$(READY): pyproject.toml constraints.txt scripts/make-venv.sh
	@scripts/make-venv.sh $(VENV) $(PYTHON)
	@touch $@

demo: $(READY)
	@PYTHONPATH=tests $(BIN)/python scripts/demo.py

test: $(READY)
	@rm -rf $(BUILD)/coverage && mkdir -p $(BUILD)/coverage
	@$(BIN)/python -m coverage run -m pytest -q -n $(WORKERS) --dist=worksteal
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report

check: $(READY)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@for script in .ci/run scripts/*.sh; do bash -n "$$script"; done
	@$(PYTEST) -q -p no:cacheprovider tests/unit/test_architecture.py tests/unit/test_repository.py

test-system: $(READY)
	@mkdir -p $(BUILD)
	@$(PYTEST) -q tests/system

test-sdks: $(READY)
	@scripts/make-sdks.sh $(BUILD) $(BIN)/python
	@scripts/alone.sh $(PYTEST) -q tests/sdks

bench: $(READY)
	@PYTHONPATH=tests:. $(BIN)/python -m bench

# Exit status 5 is pytest's word for "no tests": nothing of full size is there yet.
long: $(READY)
	@$(PYTEST) -q tests/long || [ $$? -eq 5 ]

dist: $(READY)
	@$(BIN)/python scripts/dist.py

clean:
	@rm -rf $(VENV) $(BUILD) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
