# What a developer calls by name. `make` alone says what there is.
# The virtual environment is made when it is missing, and renewed when what it is made of has changed.

PYTHON ?= python3
JOBS ?= 2
SECONDS ?= 60

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: help setup demo test check fuzz bench reference lock

help:
	@echo 'make setup      make .venv with everything that development needs'
	@echo 'make demo       start a mail server to try; make demo STATE=DIR keeps its mail in DIR'
	@echo 'make test       all checks and all tests (as CI does)'
	@echo 'make check      the checks alone: format, lint, types, layers, dependencies, licences'
	@echo 'make fuzz       parsers with mutated input for SECONDS=60, property tests with many more examples'
	@echo 'make bench      measure this version, and print a table; BENCH=--peer measures a Postfix in turn'
	@echo 'make reference  write docs/reference/ anew from what modules declare'
	@echo 'make lock       choose the versions of all dependencies anew (needs uv)'

setup: $(READY)

$(READY): pyproject.toml requirements/build.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/build.txt -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/python -m posthouse.cli.demo $(if $(STATE),--state '$(STATE)')

test: check
	$(BIN)/pytest -n $(JOBS)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python requirements/check.py

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)
	$(BIN)/pytest -n $(JOBS) -m hypothesis --hypothesis-profile=fuzz

bench: $(READY)
	$(BIN)/python -m bench $(BENCH)

reference: $(READY)
	$(BIN)/python docs/generate.py

# The compiled files name no index, and hold for every platform and Python version that we support.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' --upgrade

lock:
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) --group dev pyproject.toml --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) --group build --output-file requirements/build.txt
