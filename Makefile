# Needs Python 3.10+ with venv, nothing else. `make PYTHON=python3.12 setup` chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# One recipe line is one shell; a failed recipe leaves no half-made target behind.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: help setup demo test check bundle-check docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-19s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with search-forecast in it; fetch Delta's jars
	@:

# Safe to kill: the stamp is written last, and a .venv whose packages were under way is made anew. pyspark comes as
# source only; the setuptools that builds it is taken from the lock too, where pip by itself would fetch the newest.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "make: needs Python 3.10 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1): make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv) or name another PYTHON=" >&2; exit 1; }
	@echo "setup 1/3  .venv with $$($(PYTHON) --version)"
	@[ ! -e $(VENV)/.under-way ] || rm -rf $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $(VENV)/.under-way
	@echo "setup 2/3  locked packages (about 700 MB to fetch at the first time)"
	@sed -n '/^setuptools==/,/[^\\]$$/p' requirements.txt > $(VENV)/build-requirements.txt
	@$(PIP_INSTALL) --require-hashes -r $(VENV)/build-requirements.txt
	@$(PIP_INSTALL) --require-hashes --no-build-isolation --use-pep517 -r requirements.txt
	@$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@rm $(VENV)/.under-way
	@echo "setup 3/3  Java, Delta's jars, class archive (a minute at the first time)"
	@$(BIN)/search-forecast doctor --mend
	@touch $@

demo: setup ## fixtures to gold tables, with the answers
	@$(BIN)/search-forecast demo

test: setup ## all tests
	@$(BIN)/python -m pytest $(ARGS)

check: setup ## lint, format, types, import layers, the bundle
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/search-forecast check-bundle
	@$(BIN)/python scripts/job_environments.py --check

bundle-check: ## deploy to an empty target, run, destroy (needs the Databricks CLI and a workspace)
	@$(PYTHON) scripts/bundle_check.py $(TARGETS) $(addprefix --confirm=,$(CONFIRM))

docs: setup ## remake docs/tables.md from the contracts, docs/bundle-checks.md from the checks
	@$(BIN)/search-forecast tables --contracts > docs/tables.md
	@PYTHONPATH=tests $(BIN)/python -m support.mistakes_page > docs/bundle-checks.md

# Every index, host and path stays out of the lock, so that it is the same wherever it is made.
lock: ## remake requirements.txt from pyproject.toml
	@command -v uv >/dev/null || { $(PYTHON) -m venv --clear .lock-venv && .lock-venv/bin/pip install --quiet uv; }
	@UV=$$(command -v uv || echo .lock-venv/bin/uv); \
	  $$UV pip compile --quiet --universal --python-version 3.10 --generate-hashes --all-extras --upgrade \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.new
	@mv requirements.new requirements.txt
	@rm -rf .lock-venv

clean: ## remove what set-up, tests and demo made here (the user's cache of jars stays)
	@rm -rf $(VENV) .lock-venv .lakehouse .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build requirements.new
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
