# The way from a fresh checkout to a running manager. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
ORCHESTRATOR := $(BIN)/genvm-orchestrator
# Changes with everything that decides what is installed, so that a second `make setup` does nothing.
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.lock images/installer.lock pyproject.toml images/venv.sh | cksum | cut -d ' ' -f 1)

.PHONY: help setup engine images demo test test-llm serve settings-page metrics-page reference docs lint bench chaos longrun fuzz lock audit release clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

setup: $(STAMP) ## a virtual environment in .venv with the command installed

$(STAMP):
	@echo "installing into $(VENV)"
	@images/venv.sh
	@rm -f $(VENV)/.installed-*
	@touch $@

engine: setup ## make sure that a container engine answers (installs and starts one on Debian and Ubuntu as root)
	@images/engine.sh

images: engine ## build the container images that are out of date
	@images/prerequisites.sh
	@$(ORCHESTRATOR) images build

demo: images ## from nothing to a contract that ran in a container, through the HTTP API
	@$(ORCHESTRATOR) demo

test: images ## the whole test suite; ARGS are pytest's
	@images/prerequisites.sh test
	@$(BIN)/pytest -n 2 $(ARGS)

test-llm: setup ## ask a real model; needs GENVM_TEST_LLM_URL and _MODEL, takes _KEY and more (docs/llm.md)
	@test -n "$$GENVM_TEST_LLM_URL" -a -n "$$GENVM_TEST_LLM_MODEL" || \
		{ echo "set GENVM_TEST_LLM_URL and GENVM_TEST_LLM_MODEL (see docs/llm.md)" >&2; exit 2; }
	@$(BIN)/pytest images/llm/tests/llm/test_real_model.py -s $(ARGS)

serve: images ## run the manager on 127.0.0.1:3999; ARGS are its flags
	@$(ORCHESTRATOR) serve $(ARGS)

settings-page: setup ## write docs/settings.md anew from what the settings say of themselves
	@$(BIN)/python -m orchestrator.settings.page

metrics-page: setup ## write docs/metrics.md anew from what the metrics say of themselves
	@$(BIN)/python -m orchestrator.metrics.page

reference: setup ## write every page of docs/ that is made from the code anew
	@$(BIN)/python -m orchestrator.reference

docs: setup ## the documentation as a site, in build/site; a warning is a failure
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet --jobs auto -b html docs build/site
	@echo "build/site/index.html"

lint: setup ## style, types, sizes and the arrows between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python .ci/sizes.py
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: images ## measure everything side by side; writes bench/out/latest.json
	@$(BIN)/python -m bench $(ARGS)

chaos: images ## kill the manager over and over, count what is lost (nothing)
	@$(BIN)/python -m tests.chaos $(ARGS)

longrun: engine ## a compressed day with faults and an upgrade; writes bench/out/day.json and day.png
	@images/prerequisites.sh
	@$(BIN)/python -m tests.longrun $(ARGS)

fuzz: setup ## a million hostile inputs for every target; ARGS are the fuzzer's
	@$(BIN)/python -m tests.fuzz run-bodies $(ARGS)
	@$(BIN)/python -m tests.fuzz socket-frames $(ARGS)
	@$(BIN)/python -m tests.fuzz json-bodies $(ARGS)
	@$(BIN)/python -m tests.fuzz selectors $(ARGS)
	@$(BIN)/python -m tests.fuzz host-names $(ARGS)
	@$(BIN)/python -m tests.fuzz prompts $(ARGS)

release: setup ## wheel, sdist, images, chart, bills of materials, checksums and notes into dist/ (docs/release.md)
	@images/prerequisites.sh
	@$(BIN)/python -m images.shipping $(ARGS)

audit: setup ## ask whether a pinned package has a known vulnerability; ARGS are locks
	@images/audit.sh $(ARGS)

lock: ## pin all Python packages again
	@images/lock.sh

clean: ## remove the virtual environment and caches, no images
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
