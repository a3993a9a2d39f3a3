# The commands of contributors and of CI. They need only Python 3.11+, make and git. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

override VENV := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
EXAMPLE := examples/api
SDK    := sdk/python
LOCKS  := requirements/build.txt requirements/server.txt

# The newest Python that is new enough; override it with make PYTHON=/path/to/python
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)

# Scripts in an environment hold its absolute path: remove it if the checkout was moved or its Python is gone.
$(shell [ -x $(BIN)/python ] && [ "$$(cat $(VENV)/.checkout 2>/dev/null)" = "$(CURDIR)" ] || rm -rf $(VENV))

##@ Use it

.PHONY: run
run: $(VENV)/.server example ## Start the server with a demo client, API and user on http://127.0.0.1:8000
	@exec $(BIN)/python -m authserver.demo

.PHONY: environment
environment: $(VENV)/.server ## Create .venv with the locked dependencies and the `authserver` command

##@ Prove a change

# The tests start hundreds of processes. Without its bytecode each would compile the server.
unexport PYTHONDONTWRITEBYTECODE

# Arguments for pytest: make test ARGS="-k refresh -x"
test: ARGS ?= -n auto

.PHONY: test
test: $(VENV)/.dev node test-sdk ## Run every test; says loudly what is missing (ARGS="-k name" picks some)
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-sdk
test-sdk: $(SDK)/.venv/.installed ## Run the tests of the library for APIs, where the server is not installed
	@cd $(SDK) && .venv/bin/python -m pytest --quiet

.PHONY: prove
prove: $(VENV)/.dev ## Prove the promises under load on a quiet machine (ARGS=--short as CI does; -k storm picks some)
	@$(BIN)/python -m pytest tests/proofs $(ARGS)

.PHONY: check
check: $(VENV)/.dev $(SDK)/.venv/.installed ## Formatting, lint, types and architecture, as CI runs them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd $(SDK) && $(CURDIR)/$(BIN)/mypy --python-executable .venv/bin/python
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.dev ## Let ruff format and repair what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.dev ## Measure what the README claims and print it as a table
	@PYTHONPATH=$(SDK) $(BIN)/python -m benchmarks

##@ Look after it

COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(UPGRADE)

# build and dev take the versions of server: they share one environment, and tests must run what is shipped.
.PHONY: lock
lock: $(VENV)/.dev ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=--upgrade takes new versions)
	$(COMPILE) --extra redis --output-file requirements/server.txt pyproject.toml
	$(COMPILE) --all-build-deps --only-build-deps --constraint requirements/server.txt \
		--output-file requirements/build.txt pyproject.toml
	$(COMPILE) --extra dev --constraint requirements/server.txt --constraint requirements/build.txt \
		--output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt \
		--output-file $(EXAMPLE)/requirements.txt $(EXAMPLE)/requirements.in
	$(COMPILE) --constraint requirements/dev.txt \
		--output-file examples/mobile/requirements.txt examples/mobile/requirements.in
	$(COMPILE) --extra test --constraint requirements/dev.txt \
		--output-file $(SDK)/requirements.txt $(SDK)/pyproject.toml
	@echo "Locked. The next target installs what changed."

.PHONY: clean
clean: ## Remove the environment and caches; data stays
	rm -rf $(VENV) $(SDK)/.venv $(EXAMPLE)/.venv .cache dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environments: if the stamp is newer than the locks there is nothing to do, so `make run` starts at once ----------

define NO_PYTHON
authserver needs Python 3.11 or newer that can make virtual environments (venv with ensurepip).
  Debian, Ubuntu: apt-get install python3-venv      Fedora: dnf install python3
  macOS:          brew install python               or name one: make PYTHON=/path/to/python3.12
endef
export NO_PYTHON

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "$$NO_PYTHON" >&2; \
		python3 -c 'import sys; print("  Found:          Python", sys.version.split()[0], \
			"which is too old" if sys.version_info < (3, 11) else "without venv or ensurepip")' >&2 || true; \
		exit 1; \
	fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "$(CURDIR)" > $(VENV)/.checkout

$(VENV)/.server: $(LOCKS) | $(BIN)/python
	@echo "Installing the locked dependencies ..."
	@$(PIP) --require-hashes $(addprefix --requirement ,$(LOCKS))
	@$(PIP) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.server
	@echo "Installing the locked tools for development ..."
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@touch $@

# The example API stands for a foreign program, so it has its own environment without the server.
.PHONY: example
example: $(patsubst %/requirements.txt,%/.venv/.installed,$(wildcard $(EXAMPLE)/requirements.txt))

$(EXAMPLE)/.venv/.installed: $(EXAMPLE)/requirements.txt | $(BIN)/python
	@echo "Installing the example API ..."
	@$(BIN)/python -m venv --clear $(EXAMPLE)/.venv
	@$(EXAMPLE)/.venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement $<
	@touch $@

# An API has the frameworks and not the server, so the library is tested in such an environment.
$(SDK)/.venv/.installed: $(SDK)/requirements.txt | $(BIN)/python
	@echo "Installing the test environment of the library for APIs ..."
	@$(BIN)/python -m venv --clear $(SDK)/.venv
	@$(SDK)/.venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement $<
	@touch $@

# The interop tests verify our tokens with node's `jose`, and the browser tests check pages with axe-core. Without npm pytest
# skips them and says so.
NODE_PROJECTS := tests/interop/node tests/browser/node sdk/browser
.PHONY: node
node:
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "NOTE: npm is not installed: tests with packages from it will be skipped (apt-get install nodejs npm)." >&2; \
	else for project in $(NODE_PROJECTS); do \
		[ $$project/node_modules/.package-lock.json -nt $$project/package-lock.json ] || \
			npm ci --prefix $$project --ignore-scripts --no-audit --no-fund --loglevel=error || exit 1; \
	done; fi
