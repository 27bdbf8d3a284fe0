# Everything runs in .venv, which the targets make themselves: `make serve` needs nothing but Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: serve test lint format train-default bench realism lock clean

serve: .venv/serve.done  ## Start the service with the shipped model on port 8000
	$(BIN)/gaia-redshift serve

test: .venv/dev.done  ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/dev.done  ## Style, types and the architecture's contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.done  ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

SIMULATED := runs/survey-160k.parquet
train-default: .venv/dev.done  ## Simulate 160,000 galaxies and train the shipped model on them (about an hour on two cores)
	mkdir -p runs
	test -f $(SIMULATED) || $(BIN)/gaia-redshift simulate -n 160000 --seed 1 -o $(SIMULATED)
	$(BIN)/gaia-redshift train $(SIMULATED) -o models/dissertation-cnn --run-dir runs/dissertation-cnn \
		--patience 20 --replace

bench: .venv/dev.done  ## Measure engines and start-up side by side
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/startup.py

REFERENCE := ../shared/reference
realism: .venv/dev.done  ## Simulate the whole survey and hold it against real spectra (REFERENCE=DIR, docs/validation.md)
	$(BIN)/python benchmarks/realism.py --reference $(REFERENCE)

# The lock files name hashes and no index, so any mirror serves. A pip-compile that knows --universal is uv's.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock' pyproject.toml requirements/build.in
lock:  ## Renew requirements/*.txt (needs uv)
	$(LOCK) --upgrade --output-file requirements/serve.txt
	$(LOCK) --upgrade --constraint requirements/serve.txt --extra train --extra dev --output-file requirements/dev.txt

clean:  ## Remove the environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/pip.done:
	$(PYTHON) -c 'import sys; sys.exit("gaia-redshift needs Python >= 3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	touch $@

.venv/%.done: requirements/%.txt pyproject.toml | .venv/pip.done
	$(PIP) install --require-hashes -r $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@
