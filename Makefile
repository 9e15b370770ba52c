# Two commands: `make book` builds the book, `make test` runs every check. Both set up what they need.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup book serve notebooks test lint execute replicate mutants bench gpu colab wheel assignments grade lock clean

# The first of these that runs and is new enough; `make PYTHON=/path/to/python book` chooses another.
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
SUPPORTED := import sys; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 15))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c "$(SUPPORTED)" >/dev/null 2>&1 && { echo "$$p"; break; }; done)

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
GRADING := $(subst .venv,.venv-grading,$(PY))

# What `make execute`, `replicate` and `gpu` run; empty means all: make execute NOTEBOOKS=chapters/cnn/lenet.ipynb
NOTEBOOKS ?=
# What `make replicate` adds to every seed
SEED ?=
# Another PyTorch than the locked one, to test against: make test TORCH=2.8.0
TORCH ?=
# More options for pytest: make test PYTEST="-x -k claims"
PYTEST ?=
WORKERS ?= 2
# For `make assignments` (empty means all) and `make grade`
ASSIGNMENT ?=
SUBMISSIONS ?=
HAND ?=
OUT ?=

help: ## List the targets
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  %-10s %s\n' "$$target" "$$text"; done

setup:
	$(if $(shell "$(PYTHON)" -c "$(SUPPORTED)" >/dev/null 2>&1 && echo yes),,$(error The book needs \
		Python 3.11.4 to 3.14, found $(or $(shell "$(or $(PYTHON),python3)" --version 2>&1 | head -n 1),none); \
		install one or name it: make PYTHON=/path/to/python))
	@"$(PYTHON)" tools/setup.py --torch "$(TORCH)" \
		$(if $(filter command environment,$(origin PYTHON)),--same-python)

book: setup ## Build the book into _build/html; any warning is an error
	@$(BIN)/jupyter-book build . --all -W -n --keep-going
	@echo
	@echo "The book: $(CURDIR)/_build/html/index.html (open the file, or run: make serve)"

serve: setup ## Show the book in a browser; build again and reload as files change
	@$(PY) -m tools.serve

notebooks: setup ## Open the notebooks in JupyterLab
	@$(PY) -m jupyterlab chapters

test: lint book ## Run every check: style, types, the strict build, tests, notebooks, the site in a browser
	@$(PY) -m tools.programs
	@"$(PYTHON)" tools/setup.py --grading
	@$(PY) -m pytest tests chapters --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
		--nbval-sanitize-with=tests/notebooks/sanitize.cfg -n $(WORKERS) --dist loadfile \
		--durations=10 $(PYTEST)

lint: setup ## Check the style of modules and notebooks (ruff) and the types of utils and tools (mypy)
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check . || { $(PY) -m ruff format --check .; exit 1; }
	@$(PY) -m mypy

execute: setup ## Run notebooks and store their outputs: make execute NOTEBOOKS="..." (all without it)
	@$(PY) -m tools.execute $(NOTEBOOKS)
	@$(PY) -m tools.contents

replicate: setup ## Run trials in all settings with more seeds: make replicate [NOTEBOOKS="..."] [SEED=5000]
	@$(PY) -m tools.replicate $(if $(SEED),--seed $(SEED)) --workers $(WORKERS) $(NOTEBOOKS)

mutants: setup ## Plant small bugs into the code, see which the checkers notice: make mutants [PAGES="cnn/lenet"]
	@$(PY) -m tools.mutants --workers $(WORKERS) $(PAGES)

bench: setup ## Measure the helpers side by side with d2l
	@for file in benchmarks/*.py; do echo "== $$file"; $(PY) "$$file" || exit 1; done

gpu: setup ## Test the notebooks on the GPU (NOTEBOOKS="..."); fail where there is none
	@$(PY) -m tools.gpu --workers $(WORKERS) $(NOTEBOOKS)

colab: ## Run the notebooks in Colab's image, as Colab does: no .venv, helpers from the wheel
	@"$(PYTHON)" -m tools.colab

wheel: setup ## Build the wheel of the helpers into dist, for the release
	@$(PY) -m build --wheel --no-isolation --outdir dist .

assignments: setup ## Build the assignments into dist/assignments (ASSIGNMENT=cnn for one)
	@"$(PYTHON)" tools/setup.py --grading
	@$(GRADING) -m tools.assignments $(ASSIGNMENT)

grade: ## Grade a folder: make grade ASSIGNMENT=cnn SUBMISSIONS=folder [HAND=marks.csv] [OUT=folder]
	@"$(PYTHON)" tools/setup.py --grading
	@$(GRADING) -m grading $(ASSIGNMENT) $(SUBMISSIONS) $(if $(HAND),--hand $(HAND)) \
		$(if $(OUT),--out $(OUT)) --workers $(WORKERS)

lock: ## Pin what requirements.in asks for in requirements.txt
	@"$(PYTHON)" tools/lock.py

clean: ## Remove all that was made: the environment, the built book, caches
	@rm -rf .venv .venv-grading _build build dist .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
