# `make demo` and `make test` are all the set-up there is: both make .venv first. Where venv fails half-way, as on Debian
# without the package python3-venv, .venv is there without pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKS := build/checks
CLANG := build/clang
NEON := build/neon
VALGRIND := build/valgrind
TSAN := build/tsan
FUZZ := build/fuzz
OLIVE := build/olive
# How long `make fuzz` runs, all targets together, and what its random numbers start from.
SECONDS ?= 60
SEED ?= $(NOW)
NOW := $(shell date +%s)
CTEST = $(BIN)/ctest --parallel 2 --output-on-failure --test-dir
CONFIGURE = $(BIN)/cmake -S custom_ops -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -DONNXDC_TESTS=ON

# Here a native library that does not build is an error; a user's installation does without it.
export ONNXDC_REQUIRE_NATIVE := 1

.PHONY: demo test test-random test-slow check-all docs clang fuzz test-js test-olive test-neon tsan valgrind lint wheels release-check matrix clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/tested $(CHECKS)/CMakeCache.txt lint
	$(BIN)/cmake --build $(CHECKS)
	$(CTEST) $(CHECKS)
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not slow"

# What takes longer than `make test`.
check-all: test test-random test-slow test-js test-olive clang tsan valgrind test-neon fuzz

# Random cases of the C++ unit tests, under sanitizers, five times as many as in `make test`.
test-random: $(CHECKS)/CMakeCache.txt
	$(BIN)/cmake --build $(CHECKS)
	for program in $(CHECKS)/tests/test_random_*; do $$program 3000 || exit 1; done

# The Python tests that `make test` leaves out: large models, other versions of onnxruntime, all instruction sets.
test-slow: $(VENV)/tested
	$(BIN)/python -m pytest -n auto --dist loadgroup -m slow

# The C++ unit tests as users get the code: of clang, under valgrind, which knows AVX2 and scalar code, and for AArch64 in
# qemu-user.
needs = @command -v $(1) >/dev/null || { echo "make $@: missing $(1); Debian has it in the package $(2)" >&2; exit 1; }

clang: $(VENV)/tested
	$(call needs,clang++,clang)
	$(CONFIGURE) -B $(CLANG) -DCMAKE_CXX_COMPILER=clang++ -DONNXDC_SANITIZERS=OFF -DONNXDC_RANDOM_CASES=1000
	$(BIN)/cmake --build $(CLANG)
	$(CTEST) $(CLANG)

# The tests of threads under ThreadSanitizer.
tsan: $(VENV)/tested
	$(CONFIGURE) -B $(TSAN) -DONNXDC_TSAN=ON
	$(BIN)/cmake --build $(TSAN)
	$(CTEST) $(TSAN)

# The npm package: its own tests, then what the encoder writes, in the runtimes for JavaScript.
test-js: $(VENV)/tested
	$(call needs,node,nodejs)
	cd js && node --test
	$(BIN)/python -m pytest tests/web

# The pass of Olive, in an environment of its own: Olive brings a gigabyte of packages.
test-olive:
	test -x $(OLIVE)/bin/pip || $(PYTHON) -m venv $(OLIVE)
	$(OLIVE)/bin/python -m pip install --quiet --disable-pip-version-check '.[olive]' pytest
	$(OLIVE)/bin/python -m pytest tests/integrations/test_olive.py

# What docs/fuzzing.md says: five targets in C++, then damaged models for the Python side.
fuzz: $(VENV)/tested
	$(call needs,clang++,clang)
	@custom_ops/fuzz/links.sh || { \
	  echo "make $@: clang++ lacks the runtimes of the sanitizers; Debian has them in the package libclang-rt-dev" >&2; exit 1; }
	$(CONFIGURE) -B $(FUZZ) -DCMAKE_CXX_COMPILER=clang++ -DONNXDC_TESTS=OFF -DONNXDC_FUZZ=ON
	$(BIN)/cmake --build $(FUZZ)
	$(BIN)/python -m tests.fuzz.seeds $(FUZZ)/seeds
	custom_ops/fuzz/run.sh $(FUZZ) $(FUZZ)/seeds $$(($(SECONDS) * 4 / 5)) $(SEED)
	$(BIN)/python -m tests.fuzz.run --seconds $$(($(SECONDS) / 5)) --seed $(SEED) --out $(FUZZ)/python

valgrind: $(VENV)/tested
	$(call needs,valgrind,valgrind)
	$(CONFIGURE) -B $(VALGRIND) -DONNXDC_SANITIZERS=OFF -DONNXDC_RANDOM_CASES=100 \
	  -DCMAKE_TEST_LAUNCHER="valgrind;--quiet;--leak-check=full;--error-exitcode=1;--soname-synonyms=somalloc=nouserintercepts"
	$(BIN)/cmake --build $(VALGRIND)
	$(CTEST) $(VALGRIND)

test-neon: $(VENV)/tested
	$(call needs,aarch64-linux-gnu-g++,g++-aarch64-linux-gnu)
	$(call needs,qemu-aarch64,qemu-user)
	$(CONFIGURE) -B $(NEON) -DONNXDC_SANITIZERS=OFF -DONNXDC_RANDOM_CASES=500 --toolchain $(abspath custom_ops/aarch64.cmake)
	$(BIN)/cmake --build $(NEON)
	$(CTEST) $(NEON)

# The site, from docs/ and mkdocs.yml: build/site/index.html.
docs: $(VENV)/tested
	$(BIN)/mkdocs build --strict

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find custom_ops -name '*.cc' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run --Werror

# A source distribution, and from it the wheels for each system, in dist/: docs/install.md.
wheels: $(VENV)/release
	$(BIN)/python release/wheels.py dist

# Whether what is in dist/ can be given to others.
release-check: $(VENV)/release
	$(BIN)/python release/check.py dist

# The versions of Python that are installed here, each with the oldest and the newest packages that pyproject.toml allows.
matrix: $(VENV)/release
	$(BIN)/python release/matrix.py

clean:
	rm -rf $(VENV) build dist

# The package with its native library, editable: Python changes need no reinstall; C++ changes do (and get one), and so do
# Python files that come or go, which change their folder.
$(VENV)/installed: pyproject.toml $(shell find custom_ops -name '*.cc' -o -name '*.h' -o -name 'CMakeLists.txt') \
                   $(shell find onnxdc -type d -not -name __pycache__)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q onnxdc  # makes the folders of compiled files, before they would count as a change
	touch $@

# Most modules of these packages are never imported: those that are get compiled when they are.
$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[test,docs]'
	touch $@

$(VENV)/release: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[release]'
	touch $@

# The C++ unit tests, under AddressSanitizer and UndefinedBehaviorSanitizer.
$(CHECKS)/CMakeCache.txt: $(VENV)/tested custom_ops/CMakeLists.txt
	$(CONFIGURE) -B $(CHECKS) -DONNXDC_RANDOM_CASES=600
