# make demo and make test do all the set-up they need: a virtual environment in .venv with what pyproject.toml names.
PYTHON ?= python3
STUB ?= nbb-xor
MDBOOK ?= mdbook
BIN := .venv/bin
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: demo test smoke lint pages blocks bench book clean

demo: .venv/ready
	@echo "$(STUB): the default run at seed 0, its headline beside its bars"
	$(BIN)/python $(STUB)/$(subst -,_,$(STUB)).py --seed 0

test: .venv/ready lint
	$(BIN)/python -m pytest -n auto --dist worksteal

smoke: .venv/ready
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not headline"

lint: .venv/ready
	$(BIN)/ruff check .

pages: .venv/ready
	$(BIN)/python -m catalog pages

blocks: .venv/ready
	$(BIN)/python -m catalog blocks --write

bench: .venv/ready
	$(BIN)/python -m catalog bench

book: .venv/ready
	$(BIN)/python -m catalog book
	@command -v $(MDBOOK) >/dev/null || { echo "mdbook is missing (https://rust-lang.github.io/mdBook; or: make book MDBOOK=\$$(.ci/mdbook build/mdbook))" >&2; exit 1; }
	$(MDBOOK) build

clean:
	rm -rf .venv src book build *.egg-info .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is missing or older than 3.10; try: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,cluster]"
	@touch $@
