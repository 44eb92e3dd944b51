# Everything runs in .venv, which these targets create. `make help` lists them.
#
#   make demo                  build, then encode, decode and compare one small real example of every kind
#   make demo FILES="a b"      the same for your own files
#   make test                  build, check style and types, run all tests
#
# Needs Python >= 3.11 with venv, and a C++20 compiler. CMake and Ninja come from Python packages.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
JOBS ?= 2
# numpy's products on one thread: several processes run at once, and threads that wait for each other spin.
export OPENBLAS_NUM_THREADS ?= 1
BUILD_NEEDS := scikit-build-core pybind11 ninja cmake
SOURCES := pyproject.toml CMakeLists.txt $(shell find csrc laconic codecs entropy models -type f \( -name '*.py' -o -name '*.cpp' -o -name '*.h' -o -name '*.inc' \) 2>/dev/null)

.PHONY: help tools demo test lint format sanitize test-large bench wheel clean

help:
	@sed -n 's/^#   make /make /p' Makefile
	@echo "make lint | format         style and types: check, or mend"
	@echo "make sanitize              build with ASan+UBSan, run the hostile-input tests on that build"
	@echo "make test-large            the tests that take minutes or gigabytes"
	@echo "make bench                 measure against the peers (BENCH_DATA=folder)"
	@echo "make wheel | clean"

tools:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is missing (looked for python3, python3.11 to 3.13; or set PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; raise SystemExit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' || { echo "make: the headers of $(PYTHON) are missing (on Debian and Ubuntu: apt install python3-dev)" >&2; exit 1; }
	@for c in "$${CXX:-c++}" g++ clang++; do if command -v $$c >/dev/null 2>&1; then found=1; break; fi; done; \
	  test -n "$$found" || { echo "make: a C++20 compiler is missing (on Debian and Ubuntu: apt install g++; or set CXX=...)" >&2; exit 1; }

$(VENV)/.needs: | tools
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(BUILD_NEEDS)
	@touch $@

$(VENV)/.built: $(VENV)/.needs $(SOURCES)
	CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) $(PIP) install --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.built pyproject.toml
	$(PIP) install $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"])')
	@touch $@

demo: $(VENV)/.built
	@$(BIN)/python -m bench.demo $(FILES)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n $(JOBS) -m 'not large' tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.cpp' '*.h' '*.cu' '*.cuh')
	$(BIN)/mypy -p laconic

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files '*.cpp' '*.h' '*.cu' '*.cuh')

sanitize: $(VENV)/.dev
	bash tests/sanitize.sh

test-large: $(VENV)/.dev
	$(BIN)/python -m pytest -m large tests

bench: $(VENV)/.dev
	@test -d "$(BENCH_DATA)" || { echo "make: name a folder of data: make bench BENCH_DATA=DIR (bench/README.md says what it holds)" >&2; exit 1; }
	$(BIN)/python -m bench weights --data $(BENCH_DATA) --json bench/results/weights.json
	$(BIN)/python -m bench logs --data $(BENCH_DATA) --level fast --level default --json bench/results/logs.json
	$(BIN)/python -m bench bytes --data $(BENCH_DATA) --set text --set 'first MB' --set compressed --set pieces --json bench/results/bytes.json
	$(BIN)/python -m bench audio --data $(BENCH_DATA) --json bench/results/audio.json
	$(BIN)/python -m bench kv --data $(BENCH_DATA) --json bench/results/kv.json
	$(BIN)/python -m bench images --data $(BENCH_DATA) --level fast --level default --json bench/results/image.json
	$(BIN)/python -m bench checkpoint --json bench/results/checkpoint.json
	$(BIN)/python -m bench arrays --json bench/results/arrays.json
	$(BIN)/python -m bench entropy --json bench/results/entropy.json

wheel: $(VENV)/.needs
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

clean:
	rm -rf build dist $(VENV)
