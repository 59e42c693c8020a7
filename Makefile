# Everything a person does with this repository, one word each. `make` alone lists the words.

PYTHON  ?= python3
UV      ?= uv
WORKERS ?= 2
CASES   ?= 100000

VENV  := .venv
BIN   := $(VENV)/bin
PY    := $(BIN)/python
READY := $(VENV)/.ready

# The rings that need neither Redis nor a FHIR server; a folder joins when it exists.
FAST := $(wildcard tests/domain tests/pathways tests/fhir tests/mappings tests/architecture)

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast fuzz test-live check chart-policy format demo bench lock clean

help: ## List these targets
	@echo "Throughline: nobody falls between services."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "A different interpreter: make setup PYTHON=python3.12"

setup: $(READY) ## Create .venv with the locked packages and the throughline command (instant when nothing changed)
	@:

# The stamp is written last: an installation that stopped half-way is taken up again, never trusted.
$(READY): requirements.lock pyproject.toml
	@PYTHON='$(PYTHON)' VENV='$(VENV)' scripts/setup

test: setup ## Set up, then run every test that needs nothing but this machine
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile

test-fast: setup ## Only the rings without servers: domain, pathways, fhir, mappings, architecture
	@$(PY) -m pytest -q -n auto --dist worksteal $(FAST)

fuzz: setup ## Try 100,000 bent notifications, messages and broken lines (CASES=n for another number); some minutes
	@THROUGHLINE_FUZZ_CASES="$(CASES)" $(PY) -m pytest -q -o faulthandler_timeout=0 tests/fuzz

test-live: setup ## Run the live suite against a FHIR server of yours: make test-live FHIR=<base url>; credentials: docs/connecting.md
	@test -n "$(FHIR)" || { echo "Say which server: make test-live FHIR=http://localhost:8080/fhir" >&2; exit 2; }
	@THROUGHLINE_LIVE_FHIR="$(FHIR)" $(PY) -m pytest -m live tests/live

check: setup ## Lint, format, types, layer contracts, function length
	@echo "ruff check";           $(PY) -m ruff check .
	@echo "ruff format --check";  $(PY) -m ruff format --check .
	@echo "mypy";                 $(PY) -m mypy
	@echo "lint-imports";         $(BIN)/lint-imports --no-logo
	@echo "function length";      $(PY) -m scripts.function_length service

# A scanner with a hundred packages of its own and many pins: it has an environment for itself.
CHECKOV ?= checkov==3.3.30

chart-policy: setup ## A second opinion on the chart, by a policy scanner (installs it into build/policy)
	@$(PY) -m scripts.chart_manifests build/chart
	@test -x build/policy/bin/checkov || { $(PYTHON) -m venv build/policy && build/policy/bin/python -m pip install -q $(CHECKOV); }
	@build/policy/bin/checkov --config-file tests/helm/checkov.yaml --directory build/chart && echo "nothing found"

format: setup ## Put the code into shape: ruff's safe fixes, then its formatter
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

demo: setup ## See it work, start to finish; ONCE=1 ends by itself with exit status 0 or 1
	@$(BIN)/throughline demo $(if $(ONCE),--once)

bench: setup ## Measure the budgets on this machine
	@$(PY) -m benchmarks

lock: ## Resolve requirements.lock again (needs uv); UPGRADE=1 also moves to newer versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv, or make lock UV=<path>" >&2; exit 2; }
	@$(UV) pip compile --quiet pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -o requirements.lock
	@$(UV) pip compile --quiet pyproject.toml --extra embedded --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" -c requirements.lock -o image/requirements.lock
	@$(UV) pip compile --quiet image/build.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" -c requirements.lock -o image/build.lock
	@for lock in requirements.lock image/requirements.lock image/build.lock; do \
		echo "$$lock: $$(grep -c '^[a-z0-9]' $$lock) packages"; done

clean: ## Remove .venv, caches and build leftovers (never data of a running demo)
	@rm -rf $(VENV) build dist throughline.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
