# `make book` builds the whole book, `make test` runs the tests; nothing has to be prepared.
# Both make their own environment in .venv from pyproject.toml and constraints.txt.

PROFILE ?= laptop
BENCH ?= full
SKY ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The first Python that is new enough; `make PYTHON=/path/to/python3.12 ...` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)

# glibc reads these: memory that was freed is kept for the next array. Handing it back to the system
# and asking for it again takes up to half of the time of NumPy and PyTorch on tiles.
export MALLOC_MMAP_THRESHOLD_ ?= 1073741824
export MALLOC_TRIM_THRESHOLD_ ?= 1073741824

ifeq ($(wildcard pyproject.toml),)
$(error Start make in the folder of its Makefile, or name that folder: make -C FOLDER $(MAKECMDGOALS))
endif

.DEFAULT_GOAL := help
.PHONY: help try book test browser notebooks bundle slides bench lab lint licences address clean

help:  ## show this list
	@echo "cogan: one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@echo "PROFILE is one of: $(patsubst ci/profiles/%.yaml,%,$(wildcard ci/profiles/*.yaml))"

try: $(INSTALLED)  ## make a CO sky with shipped weights, and three figures, in two minutes
	$(BIN)/python ci/try_it.py

book: $(INSTALLED)  ## run all notebooks and build the site [PROFILE=laptop] [SKY=path/to/sky.fits]
	$(BIN)/python ci/run_notebooks.py --profile "$(PROFILE)" $(if $(SKY),--sky "$(SKY)")
	$(BIN)/python ci/build_book.py --profile "$(PROFILE)"
	$(BIN)/python ci/check_site.py

# A process for each core that may be used, up to four; on a single core only pytest's own.
CORES := import cogan_lib.base.threads as t; print(min(t.cores(), 4) if t.cores() > 1 else 0)

test: $(INSTALLED)  ## run the tests
	$(BIN)/python -m pytest -q -n $$($(BIN)/python -c "$(CORES)") --dist worksteal

browser: $(INSTALLED)  ## open the built site's pages in Chromium and check what readers meet
	$(BIN)/python ci/browser.py

notebooks: $(INSTALLED)  ## make the notebooks for Colab, students and solutions, and run each alone
	$(BIN)/python ci/flavours.py _build/flavours --check --run "$(PROFILE)"

bundle: $(INSTALLED)  ## make one zip for a workshop without a network [INDEX=address of PyTorch's CPU wheels]
	$(BIN)/python ci/bundle.py _build/bundle $(if $(INDEX),--index "$(INDEX)")

slides: $(INSTALLED)  ## make slides of chapters 1 to 6 from the last run
	$(BIN)/python -c "import sphinx_revealjs" 2>/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[slides]"
	$(BIN)/python ci/slides.py

bench: $(INSTALLED)  ## measure speed and memory beside other libraries [BENCH=small]
	$(BIN)/python -c "import pynkowski, pytest_benchmark" 2>/dev/null || { \
		$(BIN)/python -m pip install --quiet "setuptools>=77" && \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[bench]"; }
	COGAN_BENCH="$(BENCH)" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/benchmarks --benchmark-quiet \
		--override-ini "python_files=bench_*.py" --override-ini timeout=1800

lab: $(INSTALLED)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. book

lint: $(INSTALLED)  ## check style and the notebooks' contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python ci/check_notebooks.py

licences: $(INSTALLED)  ## list the licences of all packages
	$(BIN)/python ci/licences.py

address: $(INSTALLED)  ## write the address of _config.yml, and what else they share, into the notebooks
	$(BIN)/python ci/check_notebooks.py --write-address
	$(BIN)/python ci/times.py write

clean:  ## remove what the build made (_build); .venv and runs stay
	rm -rf _build

# An environment knows where it was made: one that came along with a copied checkout runs the
# original's library.
ELSEWHERE := $(shell test -s $(INSTALLED) && test "$$(cat $(INSTALLED))" != "$$(pwd -P)" && echo elsewhere)
.PHONY: elsewhere
elsewhere:
	@echo "$(VENV) was made for another folder; it is made anew for this one."

$(INSTALLED): pyproject.toml constraints.txt $(ELSEWHERE)
	@test -n "$(PYTHON)" || { echo "cogan needs Python 3.11 or newer; install it, or say where it is: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is older than Python 3.11, which cogan needs; choose another: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	"$(PYTHON)" -m venv $(if $(ELSEWHERE),--clear) $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[book,dev]"
	@pwd -P > $@
