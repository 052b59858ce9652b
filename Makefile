# make test: set-up, lint, types, tests.   make demo: set-up, then the whole path on a bundled set.
# Both make their own virtual environment in .venv; RUD_PYTHON=... picks the interpreter (3.11 or newer).

BIN := .venv/bin
STAMP := .venv/.rudcodec-installed

.PHONY: test lint types unit fuzz demo setup clean

test: lint types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/python -m pytest

FUZZ_SECONDS := 60
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python tests/fuzz_sources.py --seconds $(FUZZ_SECONDS)

demo: $(STAMP)
	rm -rf out/demo && mkdir -p out/demo
	$(BIN)/rudcodec compress digits out/demo/digits.rud --bytes 1kB --preview out/demo/digits.png
	$(BIN)/rudcodec info out/demo/digits.rud
	$(BIN)/rudcodec verify out/demo/digits.rud
	$(BIN)/rudcodec decompress out/demo/digits.rud out/demo/digits
	$(BIN)/rudcodec eval out/demo/digits.rud --real digits --split val --baseline avif

setup: $(STAMP)

$(BIN)/python:
	@for python in $(RUD_PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	        && "$$python" -m venv --clear .venv && exit 0; \
	done; echo "needs Python 3.11 or newer with its venv module" >&2; exit 1

$(STAMP): pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
