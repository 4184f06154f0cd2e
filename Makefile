# The commands that contributors type and CI runs. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
CODE := mixture_builder tests $(patsubst %/,%,$(sort $(dir $(wildcard pipelines/*.py benchmarks/*.py))))
PYTEST_ARGS ?= -n auto
OUT ?= build/quickstart
BENCH_ARGS ?=
REHEARSAL_ARGS ?=
ROUNDS ?= 50
SECONDS_EACH ?= 120

LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed

# Environments of trainers and loaders, each with a list in scripts/interop/.
INTEROP := readers trainers loaders llama-factory axolotl

.PHONY: help setup quickstart test test-fast test-shared interop test-engines test-lowest lint format bench faults fuzz mutation rehearsal docs docs-serve lock wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make .venv from requirements.lock and install the package into it
	@:

$(LOCKED): requirements.lock
	@scripts/setup.sh "$(VENV)"
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml mixture_builder/version.py
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

quickstart: setup ## Build a small mixture from the sources in this repository, offline (OUT=folder)
	@$(BIN)/mixture-builder quickstart --out "$(OUT)" --store build/store

test: setup ## Run the tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: setup ## Run the tests that need no processes and no outside files
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow and not shared"

test-shared: setup ## Run the tests that read real upstream files, where those are present
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m shared

interop: setup $(INTEROP:%=build/%/.made) ## Read exports with the real trainers and loaders; 10 GB the first time
	@MIXTURE_BUILDER_PROOFS=tests/readers/proofs.json $(BIN)/python -m pytest -m readers
	@$(BIN)/python docs/generate.py

test-engines: wheel ## Run the installed wheel on Beam's job service, Dask, Spark, and Dataflow's runner offline; 3 GB the first time
	@for name in wheel dask spark gcp; do scripts/engines.sh $$name build/engines/$$name; done
	@$(BIN)/python -m pytest -m engines

build/%/.made: scripts/interop.sh scripts/interop/%.txt
	@scripts/interop.sh $* build/$*
	@touch $@

build/trainers/.made: scripts/interop/trainers.no-deps.txt
build/llama-factory/.made: scripts/interop/llama-factory.no-deps.txt
build/axolotl/.made: scripts/interop/axolotl.no-deps.txt

test-lowest: setup ## Run the tests with the oldest versions that pyproject.toml allows
	@mkdir -p build
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --python $(BIN)/python --extra dev pyproject.toml --output-file build/lowest.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	@$(BIN)/uv pip install --quiet --python build/lowest/bin/python -r build/lowest.txt
	@$(BIN)/uv pip install --quiet --python build/lowest/bin/python --no-deps --no-build-isolation --editable .
	@build/lowest/bin/python -m pytest $(PYTEST_ARGS)

lint: setup ## Check style, types and the direction of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports

format: setup ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: setup ## Measure speed and memory; takes minutes and wants an idle machine
	@$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

mutation: setup ## Plant faults of every kind in a clean mixture and audit it; prints what is caught
	@$(BIN)/python -m tests.audit.mutation

rehearsal: setup ## Build all 1,836 tasks of Flan 2022 offline, from kept and grown rows; takes minutes
	@$(BIN)/python -m benchmarks.rehearsal $(REHEARSAL_ARGS)

fuzz: setup ## Fuzz every reader of strangers' files for SECONDS_EACH seconds, starting from the kept inputs
	@for target in $$(ls tests/fuzz/corpus); do $(BIN)/python -m tests.fuzz.fuzz $$target --seconds $(SECONDS_EACH); done

faults: setup ## Kill, starve and refuse ROUNDS builds, each at a random point; takes a quarter of an hour
	@$(BIN)/python -m tests.faults.rounds --kind kill --rounds $(ROUNDS)
	@$(BIN)/python -m tests.faults.rounds --kind error --rounds $(ROUNDS)
	@$(BIN)/python -m tests.faults.rounds --kind memory --rounds $(ROUNDS)
	@$(BIN)/python -m tests.faults.rounds --kind file_size --rounds $(ROUNDS)

docs: setup ## Build the documentation into build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html"

docs-serve: setup ## Serve the documentation while writing it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

lock: setup ## Pin the newest allowed versions of everything in requirements.lock, for every Python version
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    --extra dev --extra docs pyproject.toml --output-file requirements.lock

wheel: setup ## Build the sdist, and from it the wheel, into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	@ls dist/*

clean: ## Remove what the other targets made, .venv too
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
