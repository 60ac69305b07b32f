# `make demo` and `make test` are all the set-up there is: both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKS := build/checks

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/tested $(CHECKS)/CMakeCache.txt lint
	$(BIN)/cmake --build $(CHECKS)
	$(BIN)/ctest --test-dir $(CHECKS) --output-on-failure
	$(BIN)/python -m pytest

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build

# The package with its native library, editable: Python changes need no reinstall, C++ changes do (and get one).
$(VENV)/installed: pyproject.toml $(shell find custom_ops -name '*.cc' -o -name '*.h' -o -name 'CMakeLists.txt')
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

# The C++ unit tests, under AddressSanitizer and UndefinedBehaviorSanitizer.
$(CHECKS)/CMakeCache.txt: $(VENV)/tested custom_ops/CMakeLists.txt
	$(BIN)/cmake -S custom_ops -B $(CHECKS) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -DONNXDC_TESTS=ON
