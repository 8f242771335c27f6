# make build | test | lint | docs | sanitize | sanitize-short | sanitize-thread | sanitize-thread-short |
# fuzz-native | clean, in the virtual environment .venv
PYTHON ?= python3
BIN := .venv/bin
SANE := .venv-sanitize/bin

.PHONY: build test lint docs sanitized sanitize sanitize-short thread-sanitized sanitize-thread \
    sanitize-thread-short fuzz-native clean

# compiles what changed in native/ since the last time
build: .venv/ready
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

test: build
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

# The engine's tests with the address and undefined-behaviour sanitizers in the extension. A leak
# check would report what Python keeps for ever; libstdc++ is loaded first so that exceptions work;
# a report goes to stderr past pytest's capture.
# Left out: processes, which are timed and whose memory is measured there, and the program for
# another processor. The short set also leaves out what is long and goes through the same code as its
# neighbours.
LONG = units_in_the_last_place or fifty_steps or interpreter_runs or baseline or (bytes_ and float64)
ENGINE_TESTS = $(filter-out %_processes.py %_cross.py, $(wildcard tests/test_native*.py)) \
    tests/test_training.py
SANITIZED = BACKPASS_REQUIRE_NATIVE=1 PYTHONMALLOC=malloc \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)"

.venv-sanitize/ready: pyproject.toml
	$(PYTHON) -m venv .venv-sanitize
	$(SANE)/pip install --quiet 'scikit-build-core>=1.1' 'nanobind>=3.1'
	touch $@

sanitized: .venv-sanitize/ready
	BACKPASS_REQUIRE_NATIVE=1 $(SANE)/pip install --quiet --no-build-isolation --editable '.[test]' \
	    -C build-dir=build/sanitize -C cmake.define.BACKPASS_SANITIZE=address -C install.strip=false

sanitize: sanitized
	$(SANITIZED) $(SANE)/python -m pytest --quiet -n auto --dist loadfile --capture=sys -m "" $(ENGINE_TESTS)

sanitize-short: sanitized
	$(SANITIZED) $(SANE)/python -m pytest --quiet -n auto --dist loadfile --capture=sys --hypothesis-profile=short -k 'not ($(LONG))' $(ENGINE_TESTS)

# The tests that use several threads with the thread sanitizer in the extension. It maps memory at
# fixed places, which addresses drawn at random may take: hence setarch. One process, whose exit code
# says whether there was a report; the interpreter is not instrumented, and needs no suppressions.
# Left out are arrays that change meanwhile: those are races, of the caller's own. The short set has
# every kind of call once, with all numbers of threads.
THREAD_TESTS = tests/test_native_threads.py tests/test_native_rows.py
THREAD_SHORT = (everything-float32 and (avx2 or neon)) or pieces or below_the_normal or fewer_threads \
    or (predictions_do and 1000) or (any_number and 2049 and float32)
THREAD_SANITIZED = BACKPASS_REQUIRE_NATIVE=1 TSAN_OPTIONS=exitcode=66 \
    LD_PRELOAD="$$($(CXX) -print-file-name=libtsan.so)" setarch "$$(uname -m)" --addr-no-randomize

thread-sanitized: .venv-sanitize/ready
	BACKPASS_REQUIRE_NATIVE=1 $(SANE)/pip install --quiet --no-build-isolation --editable '.[test]' \
	    -C build-dir=build/sanitize-thread -C cmake.define.BACKPASS_SANITIZE=thread -C install.strip=false

sanitize-thread: thread-sanitized
	$(THREAD_SANITIZED) $(SANE)/python -m pytest --quiet --capture=sys $(THREAD_TESTS)

sanitize-thread-short: thread-sanitized
	$(THREAD_SANITIZED) $(SANE)/python -m pytest --quiet --capture=sys -k '$(THREAD_SHORT)' $(THREAD_TESTS)

# Random calls of the extension, for so many seconds; see reliability/fuzz_native.py. What asks for
# more memory than that is refused, as where there is no more.
SECONDS = 600
SEED = 0
fuzz-native: sanitized
	$(SANITIZED) $(SANE)/python -m reliability.fuzz_native --seconds $(SECONDS) --seed $(SEED) $(FUZZ)

clean:
	rm -rf build .venv .venv-sanitize
