# Everything a developer or a first-time user types. Needs git, make and Python >= 3.11 with venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
             command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
             && echo $$p && break; done)
VENV    := .venv
BIN     := $(VENV)/bin
OCTO    := .venv-octoprint
MOON    := .venv-moonraker
DATA    ?= var
PORT    ?= 4000
PYTEST_ARGS ?=
PIP     := -m pip --disable-pip-version-check -qq install
CODE    := src tests scripts hatch_build.py $(wildcard bench)
# What the web UI is built from.
UI      := $(shell find web -name node_modules -prune -o -type f -print) scripts/web.py

# An environment is as new as the lock it was made from.
BASE    := $(VENV)/.stamp-base
DEV     := $(VENV)/.stamp-dev
HOST    := $(OCTO)/.stamp $(MOON)/.stamp
WEB     := $(VENV)/.stamp-web
NODE    := $(VENV)/.stamp-node

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# --- environments ----------------------------------------------------------------------------

define make_venv
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { \
	  echo "Python cannot make environments: on Debian and Ubuntu, apt install python3-venv" >&2; rm -rf $(1); exit 2; }
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip >/dev/null
endef

$(BASE): requirements/base.txt requirements/build.txt pyproject.toml
	$(call make_venv,$(VENV))
	@echo "Installing Buildplate into $(VENV) ..."
	@$(BIN)/python $(PIP) --require-hashes -r requirements/build.txt
	@$(BIN)/python $(PIP) --require-hashes -r requirements/base.txt
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt $(BASE)
	@echo "Installing what development needs into $(VENV) ..."
	@$(BIN)/python $(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(OCTO)/.stamp: requirements/octoprint.txt
	$(call make_venv,$(OCTO))
	@echo "Installing a real OctoPrint for the tests into $(OCTO) ..."
	@$(OCTO)/bin/python $(PIP) --require-hashes -r requirements/octoprint.txt
	@touch $@

$(MOON)/.stamp: requirements/moonraker.txt
	$(call make_venv,$(MOON))
	@echo "Installing a real Moonraker for the tests into $(MOON) ..."
	@$(MOON)/bin/python $(PIP) --require-hashes -r requirements/moonraker.txt
	@touch $@

$(NODE): requirements/node.txt $(BASE)
	@$(BIN)/python scripts/web.py node || { echo "Installing Node into $(VENV) ..."; \
	  $(BIN)/python $(PIP) --require-hashes -r requirements/node.txt; }
	@touch $@

$(WEB): $(UI) $(NODE)
	@echo "Building the web UI ..."
	@$(BIN)/python scripts/web.py build
	@touch $@

.PHONY: setup develop web
setup: $(BASE) $(WEB) ## install Buildplate into .venv, and build its web UI

web: $(WEB) ## build the web UI, if its sources have changed

develop: $(DEV) $(HOST) $(WEB) ## also install what tests and checks need, a real OctoPrint and a real Moonraker among it

# --- running ---------------------------------------------------------------------------------

.PHONY: run stop
run: $(BASE) $(WEB) ## start a demo farm of six virtual printers; its data is in ./var
	@LOG_LEVEL=$${LOG_LEVEL:-warning} exec $(BIN)/buildplate serve --demo 6 --port $(PORT) --data-dir $(DATA)

stop: ## stop the server that `make run` started (NOW=1: not waiting for prints it streams itself)
	@scripts/stop $(if $(NOW),--now) $(DATA)/buildplate.pid

# --- proofs ----------------------------------------------------------------------------------

.PHONY: test check explore bench
test: $(DEV) $(HOST) $(WEB) ## run every test (PYTEST_ARGS="tests/unit -k name" for some)
	@scripts/test $(PYTEST_ARGS)

check: $(DEV) $(WEB) ## lint, format, types, who imports whom, generated pages; the same of the web UI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/api_contract.py
	$(BIN)/python scripts/web.py run check

explore: $(DEV) ## drive next_action through its small worlds to exhaustion, and take its rules out
	@$(BIN)/python -m tests.exploration

bench: $(DEV) $(HOST) ## measure, and write bench/results.md
	@$(BIN)/python -m bench

# --- upkeep ----------------------------------------------------------------------------------

.PHONY: fmt docs screenshots lock clean
fmt: $(DEV) ## format, and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(BASE) ## write the generated parts of docs/
	$(BIN)/python scripts/generate_docs.py

screenshots: $(DEV) $(WEB) ## take the pictures in docs/images from a demo farm (needs chromium)
	$(BIN)/python -m tests.browser docs/images

lock: ## renew requirements/*.txt (needs uv)
	scripts/lock

clean: ## remove environments and caches, never data
	rm -rf web/node_modules src/buildplate/api/web_dist
	rm -rf $(VENV) $(OCTO) $(MOON) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
