# Two commands a fresh machine needs: `make run` and `make test`. Both need only make and Python 3.11-3.13.

SUITABLE = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done)
# Aegra wants 3.12 or newer; pyenv hides the versions that are not the current one.
PYTHON312 ?= $(shell for p in python3.12 python3.13 $$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.1[23].*/bin/python3 2>/dev/null); do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt

export AGENT_GRAPH_BENCH_DATA

.PHONY: help run test check serve cluster bench format clean

help:
	@echo "make run     install, then watch the agent answer three questions over a real document"
	@echo "make test    install, then lint, types, import floors and all tests"
	@echo "make check   lint, types and import floors only"
	@echo "make serve   the LangGraph server with Studio and the page at /ui, offline, on port 2024"
	@echo "make cluster PostgreSQL, Redis, Chroma, the three role services, two Aegra gateways"
	@echo "             and a worker of the background queues on this machine"
	@echo "make bench   the benchmarks, peers side by side among them; about half an hour. Results go to"
	@echo "             benchmarks/results/. Most of the others need a folder of data:"
	@echo "             make bench AGENT_GRAPH_BENCH_DATA=/path/to/data"
	@echo "make format  format the code"
	@echo "make clean   remove .venv and everything that was generated"

run: .venv/.installed
	@$(BIN)/agent-graph demo

serve: .venv/.installed-server
	@$(BIN)/agent-graph serve

cluster: .venv/.installed-server .venv-aegra/.installed
	@$(BIN)/python -m deploy.cluster $(if $(PORT),--port $(PORT))

check: .venv/.installed-dev
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

test: check
	@$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term

bench: .venv/.installed-dev
	@$(MAKE) --no-print-directory .venv/.installed-bench || echo "matplotlib is missing: there will be tables and no plot." >&2
	@$(MAKE) --no-print-directory .venv-bench/.installed || echo "The peers' environment is missing: NeMo will not be measured." >&2
	@failed=0; for script in $(filter-out %/folders.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || failed=1; done; exit $$failed

format: .venv/.installed-dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

clean:
	rm -rf .venv .venv-bench .venv-aegra .mypy_cache .ruff_cache .pytest_cache .hypothesis .langgraph_api .coverage* dist build

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "agent-graph needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv). Name yours with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing agent-graph into .venv, once; this takes about a minute..." >&2
	@$(PIP) -e .
	@touch $@

.venv/.installed-server: .venv/.installed
	@echo "Installing the LangGraph server into .venv, once..." >&2
	@$(PIP) -e '.[server,otel,web,background]'
	@touch $@

.venv/.installed-dev: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing agent-graph and its development tools into .venv, once; this takes about a minute..." >&2
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/.installed .venv/.installed-server

.venv/.installed-bench: .venv/.installed-dev
	@$(PIP) -e '.[bench]'
	@touch $@

.venv-bench/.installed: benchmarks/peers/constraints.txt
	@echo "Installing the benchmarks' peers into .venv-bench, once; 1.3 GB, some minutes..." >&2
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check --no-input -c $< 'nvidia-nat[langchain]==1.9.0'
	@touch $@

.venv-aegra/.installed: deploy/aegra/constraints.txt pyproject.toml
	@test -n "$(PYTHON312)" || { echo "Aegra needs Python 3.12 or 3.13. Name yours with: make PYTHON312=/path/to/python3.12 $@"; exit 1; }
	@echo "Installing Aegra into .venv-aegra, once; this takes some minutes..." >&2
	@$(PYTHON312) -m venv .venv-aegra
	@.venv-aegra/bin/python -m pip install -qq --disable-pip-version-check --no-input -c $< aegra-api -e '.[postgres]' 'pyjwt[crypto]' mcp
	@touch $@
