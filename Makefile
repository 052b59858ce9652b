# make test: set-up, lint, types, all tests.   make test-quick: set-up, lint, the quick tests: two minutes.
# make demo: set-up, then the whole path on a bundled set.
# They make their own virtual environment in .venv; RUD_PYTHON=... picks the interpreter (3.11 or newer).

BIN := .venv/bin
STAMP := .venv/.rudcodec-installed
OLDEST := .venv-oldest
# a process for each core; the tests of a file stay together, since they share what takes long
PYTEST := python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: test test-quick test-oldest release docs results lint types unit regression fuzz demo setup clean

test: lint types unit

test-quick: lint
	$(BIN)/$(PYTEST) -m 'not slow'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/$(PYTEST)

# with the oldest versions that pyproject.toml admits, and compressai, which `make setup` leaves out since it needs
# numpy 1, in an environment of their own; not part of `make test`
test-oldest: $(OLDEST)/.rudcodec-installed
	$(OLDEST)/bin/$(PYTEST)

# what a release consists of, in dist/, and a test of it: the wheel, installed alone with each Python at hand and the
# oldest and newest numpy, decodes; all tests pass in the unpacked sdist, in an environment of their own
PYTHONS :=
release: $(STAMP)
	rm -rf dist out/sdist && mkdir -p out/sdist
	$(BIN)/python -m build
	$(BIN)/python tests/check_wheel.py dist/*.whl $(PYTHONS)
	tar -xzf dist/*.tar.gz -C out/sdist --strip-components=1
	$(MAKE) -C out/sdist test

# the documentation's site, in out/site; links and anchors that lead nowhere are errors
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the site: $(CURDIR)/out/site/index.html"

# the tables and pictures of what has been measured, from results/accuracy.tsv
results: $(STAMP)
	$(BIN)/python docs/make_results.py
	$(BIN)/python docs/make_curves.py

# the sizes and accuracies that tests/regression holds files to, written anew
regression: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/regression/measure.py

FUZZ_SECONDS := 60
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python tests/fuzz_sources.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python tests/fuzz_coverage.py -max_total_time=$(FUZZ_SECONDS)

demo: $(STAMP)
	rm -rf out/demo && mkdir -p out/demo
	$(BIN)/rudcodec compress digits out/demo/digits.rud --bytes 1kB --preview out/demo/digits.png
	$(BIN)/rudcodec info out/demo/digits.rud
	$(BIN)/rudcodec verify out/demo/digits.rud
	$(BIN)/rudcodec decompress out/demo/digits.rud out/demo/digits
	$(BIN)/rudcodec eval out/demo/digits.rud --real digits --split val --baseline avif --seeds 2 --width 64
	$(BIN)/rudcodec curve digits --bpc 1500,3k,6k --preset fast --set mm.steps=100 --seeds 2 --steps 100 --width 32 -o out/demo/report
	@echo "a report of small students on smaller and larger files: $(CURDIR)/out/demo/report/report.html"

setup: $(STAMP)

$(BIN)/python $(OLDEST)/bin/python: %/bin/python:
	@for python in $(RUD_PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	        && "$$python" -m venv --clear $* && exit 0; \
	done; echo "needs Python 3.11 or newer with its venv module" >&2; exit 1

$(STAMP): pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(OLDEST)/.rudcodec-installed: pyproject.toml setup.py tests/oldest.txt | $(OLDEST)/bin/python
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c tests/oldest.txt -e '.[train,plot,hf,compressai,test]'
	@touch $@

clean:
	rm -rf .venv $(OLDEST) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
