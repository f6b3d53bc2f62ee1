# Needs Python 3.10+ with venv, nothing else. `make PYTHON=python3.12 setup` chooses the interpreter.
NAMED := $(if $(PYTHON),--this-python)
PYTHON := $(or $(PYTHON),python3)
VENV := .venv
BIN := $(VENV)/bin
AUDIT := $(VENV)-audit/bin
PEERS := $(VENV)-bench/bin
LOCKS := requirements-build.txt requirements.txt pyproject.toml

# One recipe line is one shell; a failed recipe leaves no half-made target behind.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: again help setup setup-dev demo test test-fast test-cluster test-long test-workspace torture bench bench-forecast check audit bundle-check docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-21s %s\n", $$1, $$2}'

setup: $(VENV)/.set-up ## make .venv with search-forecast in it; fetch Delta's jars
	@:

setup-dev: $(VENV)/.set-up-dev ## the same with what tests and checks need
	@:

# Where a Python is named, what is set up may be of another.
$(VENV)/.set-up: $(LOCKS) $(if $(NAMED),again)
	@$(SET_UP)$(if $(NAMED), $(NAMED))

$(VENV)/.set-up-dev: $(LOCKS) requirements-dev.txt $(if $(NAMED),again)
	@$(SET_UP) --dev$(if $(NAMED), $(NAMED))

define SET_UP
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
  echo "make: needs Python 3.10 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1): make PYTHON=python3.12 setup" >&2; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
  echo "make: $(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv) or name another PYTHON=" >&2; exit 1; }; \
$(PYTHON) scripts/set_up.py
endef

demo: setup ## fixtures to gold tables, with the answers
	@$(BIN)/search-forecast demo

test: $(VENV)/.set-up-dev ## all tests
	@$(BIN)/python -m pytest $(ARGS)

test-fast: $(VENV)/.set-up-dev ## the tests that need no Spark
	@$(BIN)/python -m pytest -m "not spark and not cluster" $(ARGS)

test-cluster: $(VENV)/.set-up-dev ## the jobs on a standalone master with two workers, and through Spark Connect
	@$(BIN)/python -m pytest --numprocesses=0 -m cluster $(ARGS) tests/test_cluster.py

test-long: $(VENV)/.set-up-dev ## what walks through the whole pipeline: notebooks, months of monitoring
	@$(BIN)/python -m pytest --numprocesses=0 -m long $(ARGS)

torture: $(VENV)/.set-up-dev ## kills, faults and fuzzing, written down in docs/torture.md
	@$(BIN)/python -m pytest --numprocesses=0 tests/torture $(ARGS)

bench-forecast: $(VENV)/.set-up-dev ## forecasts beside every fixed method, on all sets that can be had (asks the package index)
	@$(BIN)/python benchmarks/forecast_bench.py --write $(ARGS)

test-workspace: $(VENV)/.set-up-dev ## the whole flow in a workspace where TARGET is deployed, against plain Python
	@WORKSPACE_TARGET=$(or $(TARGET),dev) $(BIN)/python -m pytest --numprocesses=0 --capture=no --tb=short $(ARGS) \
	  'tests/test_both_worlds.py::test_what_is_delivered_comes_out_as_plain_python_says[workspace]'

bench: setup $(VENV)-bench/.set-up ## how fast it is beside others: SIZES="1 10" million records, REPEATS=3; docs/performance.md
	@$(BIN)/python benchmarks/bench --peers $(PEERS)/python --sizes $(or $(SIZES),1 10) --repeats $(or $(REPEATS),3)

$(VENV)-bench/.set-up: requirements-bench.txt | $(VENV)/.set-up
	@$(BIN)/uv venv -q --clear $(VENV)-bench
	@$(BIN)/uv pip install -q --require-hashes --python $(PEERS)/python -r requirements-bench.txt
	@touch $@

check: $(VENV)/.set-up-dev ## lint, format, types, import layers, the bundle, the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/uv pip check --quiet
	@$(BIN)/lint-imports
	@$(BIN)/search-forecast check-bundle
	@$(BIN)/python scripts/job_environments.py --check
	@$(BIN)/python scripts/licences.py
	@$(SITE)

audit: setup ## known vulnerabilities, and a bill of materials in dist/ (asks the package index)
	@[ -x $(AUDIT)/pip-audit ] || { $(BIN)/uv venv -q $(VENV)-audit && \
	  $(BIN)/uv pip install -q --require-hashes --python $(AUDIT)/python -r requirements-audit.txt; }
	@mkdir -p dist && $(AUDIT)/cyclonedx-py environment --output-reproducible -o dist/sbom.cdx.json $(BIN)/python
	@$(AUDIT)/pip-audit --require-hashes --disable-pip --strict -r requirements.txt

bundle-check: ## deploy to an empty target, run, destroy (needs the Databricks CLI and a workspace)
	@$(PYTHON) scripts/bundle_check.py $(TARGETS) $(addprefix --confirm=,$(CONFIRM))

docs: $(VENV)/.set-up-dev ## remake the pages made from the code, and the site: build/site/index.html
	@$(BIN)/search-forecast tables --contracts > docs/tables.md
	@PYTHONPATH=tests $(BIN)/python -m support.commands_page > docs/commands.md
	@PYTHONPATH=tests $(BIN)/python -m support.mistakes_page > docs/bundle-checks.md
	@$(SITE)

# Warnings, broken links and anchors are errors; nothing is fetched. All pages anew: an old one may link to what is gone.
SITE = $(BIN)/python -m sphinx -c docs -W --keep-going --fresh-env --quiet . build/site

# Every index, host and path stays out of the locks, so that they are the same wherever they are made.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: ## remake requirements*.txt from pyproject.toml; -dev holds what the other two lack
	@[ -x $(BIN)/uv ] || $(MAKE) setup
	@$(COMPILE) pyproject.toml --all-extras --group dev --upgrade -o .lock-all.txt
	@$(COMPILE) pyproject.toml --all-extras -c .lock-all.txt -o .lock.txt
	@$(COMPILE) --group audit -o requirements-audit.txt
	@$(COMPILE) --group bench -o requirements-bench.txt
	@$(COMPILE) --group build -c .lock-all.txt -o .lock-build.txt
	@cat .lock.txt .lock-build.txt | awk 'NR == FNR { if (/^[^ ]/) seen[$$0]; next } /^[^ ]/ { is_new = !($$0 in seen) } is_new' - .lock-all.txt > requirements-dev.txt
	@mv .lock.txt requirements.txt && mv .lock-build.txt requirements-build.txt && rm .lock-all.txt

clean: ## remove what set-up and tests made here (.lakehouse and the cache of jars stay)
	@rm -rf $(VENV) $(VENV)-audit $(VENV)-bench .lock*.txt .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
