# Every target makes the environment .venv first where it is missing. All it needs is Python 3.11
# or newer with pip, and make.
#
#   make demo        search digits for a small network; look at runs/demo/report.html
#   make test        the tests, in under ten minutes on two cores
#
# TORCH chooses PyTorch: its CPU build by default where one can be had, `make TORCH=torch` for the
# newest with CUDA. An environment that has PyTorch already keeps it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?=
TORCH_PINNED := torch==2.13.0
DEMO_MINUTES ?= 3
WORKERS ?= auto

.PHONY: demo test test-slow test-gpu lint types contracts check format bench clean

$(BIN)/.ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null \
	  || if [ -n "$(TORCH)" ]; then $(BIN)/python -m pip install -q "$(TORCH)"; \
	     else $(BIN)/python -m pip install -q "$(TORCH_PINNED)+cpu" 2>/dev/null \
	       || $(BIN)/python -m pip install -q "$(TORCH_PINNED)"; fi
	$(BIN)/python -m pip install -q -e ".[export]"
	touch $@

$(BIN)/.ready-dev: $(BIN)/.ready
	$(BIN)/python -m pip install -q -e ".[dev]"
	touch $@

demo: $(BIN)/.ready
	rm -rf runs/demo
	$(BIN)/archwright search digits --limit params=50k --minutes $(DEMO_MINUTES) --out runs/demo

test: $(BIN)/.ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS)

test-slow: $(BIN)/.ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m slow

test-gpu: $(BIN)/.ready-dev
	$(BIN)/python -m pytest -q -m gpu

lint: $(BIN)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.ready-dev
	$(BIN)/mypy

contracts: $(BIN)/.ready-dev
	$(BIN)/lint-imports

check: lint types contracts test

format: $(BIN)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
