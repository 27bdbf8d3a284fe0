# Everything runs in .venv, which the targets create: `make serve` needs only Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: serve workshop docs test coverage test-docs lint format wheel wheel-test container-test container-test-gpu \
	release-check pin-images train-default \
	train-dissertation-cnn accuracy limit bench peers realism kinds \
	reliability jobs-test archive-test soak browser-test fuzz cluster-test scale audit sbom lock clean

serve: .venv/serve.done  ## Start the service with the shipped model on port 8000
	GAIA_REDSHIFT_JOBS_FOLDER=$${GAIA_REDSHIFT_JOBS_FOLDER-runs/jobs} $(BIN)/gaia-redshift serve

workshop: .venv/dev.done  ## Install the training packages: simulate, train, evaluate

docs: .venv/docs.done  ## Build the documentation site, which the service shows at /guide
	$(BIN)/python docs/site/build.py

# Where this variable is set, every command and server that a test starts would compile the packages anew.
test coverage: export PYTHONDONTWRITEBYTECODE :=
test: .venv/dev.done  ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Percent of lines and branches together (96.7% of lines), including servers and commands that the tests start. Code traced by
# TensorFlow and JAX runs as Python while it is traced, and counts.
COVERED := 95
coverage: .venv/dev.done  ## Run all tests, and fail if the coverage of library and service is below COVERED percent
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-fail-under=$(COVERED)

test-docs: .venv/dev.done docs  ## Run all examples of the documentation, including long ones, and check that everything is documented
	LONG_EXAMPLES=1 $(BIN)/python -m pytest -rs tests/docs tests/contract

lint: .venv/dev.done  ## Check style, types and the layers of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.done  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/serve.done  ## Build the wheel of the library and the shipped models, build/wheel/*.whl
	rm -rf build/wheel
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir build/wheel .

wheel-test:  ## Install the wheel with locked dependencies into an empty environment and predict there (e.g. PYTHON=python3.14)
	$(PYTHON) -m tests.wheel

container-test:  ## Build the CPU image, run docker-compose.yml and check it (needs only Docker or podman)
	$(PYTHON) -m tests.container cpu

container-test-gpu:  ## Build the GPU image (7 GB) and check its Keras engine; does not need a GPU
	$(PYTHON) -m tests.container gpu

release-check:  ## Fail if VERSION is not that of the project and its changelog, or an image has no digest
	grep -qx 'version = "$(VERSION)"' pyproject.toml
	grep -q '^## $(VERSION)' CHANGELOG.md
	! grep -E '(BASE=|image: )docker\.io/' Dockerfile docker-compose.yml | grep -vE '@sha256:[0-9a-f]{64}$$'

pin-images:  ## Update the digests of third-party images (needs Docker and its registry)
	for file in Dockerfile docker-compose.yml; do \
		for image in $$(sed -nE 's/^.*(BASE=|image: )(docker\.io\/[^@ ]+).*$$/\2/p' $$file); do \
			digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' $$image) || exit 1; \
			sed -i -E "s|($$image)(@sha256:[0-9a-f]+)?$$|\1@$$digest|" $$file || exit 1; done; done

SIMULATE := $(BIN)/gaia-redshift simulate
train-default: .venv/dev.done  ## Simulate 6.2 million spectra and train models/default (an hour, 11 GB)
	mkdir -p runs
	test -f runs/survey.parquet || $(SIMULATE) -n 2400000 --seed 31 --beyond 0.35 -o runs/survey.parquet
	test -f runs/uniform.parquet || $(SIMULATE) -n 2400000 --seed 32 --redshift uniform --ebv 0.3 --beyond 0.7 \
		-o runs/uniform.parquet
	test -f runs/others.parquet || $(SIMULATE) -n 400000 --seed 33 --kind star --kind quasar --kind sky --kind blend \
		-o runs/others.parquet
	test -f runs/uniform-own.parquet || $(SIMULATE) -n 1000000 --seed 35 --redshift uniform --beyond 0.3 \
		-o runs/uniform-own.parquet
	$(BIN)/gaia-redshift train runs/survey.parquet --recipe density --balance runs/uniform.parquet \
		--contaminants runs/others.parquet -o runs/wide --version 0.5.0 --run-dir runs/default-wide --replace
	$(BIN)/gaia-redshift train runs/survey.parquet --init runs/wide --epochs 2 --learning-rate 0.002 \
		--balance runs/uniform-own.parquet --contaminants runs/others.parquet \
		-o models/default --version 0.5.0 --run-dir runs/default --replace

train-dissertation-cnn: .venv/dev.done  ## Simulate 520,393 galaxies and train models/dissertation-cnn (hours; minutes with JAX on a GPU)
	mkdir -p runs
	test -f runs/survey-520k.parquet || $(SIMULATE) -n 520393 --seed 1 -o runs/survey-520k.parquet
	$(BIN)/gaia-redshift train runs/survey-520k.parquet -o models/dissertation-cnn --run-dir runs/dissertation-cnn \
		--version 0.4.0 --patience 20 --replace

accuracy: .venv/dev.done  ## Evaluate the shipped models on one simulated test part (run train-default first)
	test -f runs/own.parquet || $(SIMULATE) -n 1000000 --seed 36 -o runs/own.parquet
	test -f runs/even.parquet || $(SIMULATE) -n 600000 --seed 34 --redshift uniform -o runs/even.parquet
	$(BIN)/python benchmarks/accuracy.py runs/own.parquet runs/even.parquet runs/others.parquet \
		--reference $(REFERENCE) --figures docs/figures

limit: .venv/dev.done  ## Compute the least possible error of a redshift (minutes with JAX on a GPU, hours without)
	$(BIN)/python benchmarks/limit.py --figures docs/figures

bench: .venv/dev.done  ## Measure engines, start-up, servers and tables side by side (servers need wrk and `make peers`)
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python -m benchmarks.answer
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/decoding.py
	for model in models/*/; do $(BIN)/python benchmarks/server.py --model $$model || exit 1; done
	for model in models/*/; do $(BIN)/python benchmarks/bulk.py --model $$model || exit 1; done
	$(BIN)/python benchmarks/gpu.py

peers: .venv/dev.done  ## Install the other servers that `make bench` compares with (6 GB)
	$(BIN)/python benchmarks/peers/install.py

REFERENCE := ../shared/reference
realism: .venv/dev.done  ## Simulate the whole survey and compare it with real spectra (REFERENCE=DIR, docs/validation.md)
	$(BIN)/python benchmarks/realism.py --reference $(REFERENCE)

CACHE := $(HOME)/.cache/gaia-redshift-kinds
kinds: .venv/dev.done  ## Show the shipped models kinds of galaxies that no training has seen (downloads templates to CACHE)
	$(BIN)/python benchmarks/kinds.py --cache $(CACHE)

RESULTS := docs/reliability
reliability: .venv/dev.done  ## Test the service under overload, crashes and a full disk, and draw the figures (ten minutes)
	$(BIN)/python -m tests.reliability.overload --out $(RESULTS)/overload.json
	$(BIN)/python -m tests.reliability.overload --real --attackers 3 --out $(RESULTS)/overload-hostile.json
	$(BIN)/python -m tests.reliability.faults --out $(RESULTS)/faults.json
	$(BIN)/python -m tests.reliability.figures $(RESULTS)

KILLS := 50
jobs-test: .venv/dev.done  ## Test that jobs are neither lost nor done twice after kills, a full disk and locks (half an hour; Debian's PostgreSQL, root)
	$(BIN)/python -m tests.reliability.jobs --kills $(KILLS) --out $(RESULTS)/jobs.json

archive-test: .venv/dev.done  ## Run the documented ADQL on a real TAP service (needs Debian's gavodachs2-server postgresql-15-pgsphere postgresql-15-q3c)
	$(BIN)/python -m tests.tap

MINUTES := 60
soak: .venv/dev.done  ## Run mixed traffic for an hour (MINUTES=60) and check for leaks and lost requests
	$(BIN)/python -m tests.reliability.soak --minutes $(MINUTES) --out $(RESULTS)/soak.json
	$(BIN)/python -m tests.reliability.figures $(RESULTS)

SECONDS := 60
browser-test: .venv/dev.done .venv/browser.done  ## The page in Debian's Chromium (apt-get install chromium, or CHROMIUM=/path); pictures in build/screenshots
	$(BIN)/python -m pytest -s tests/browser

fuzz: .venv/fuzz.done  ## Fuzz each reader, guided by coverage (SECONDS=60 each)
	for reader in json csv npy arrow connection columns manifest graph \
		table-csv table-ecsv table-fits table-votable table-parquet table-arrow table-jsonl table-npy table-npz table-zip; do \
		$(BIN)/python -m tests.fuzz.readers $$reader -max_total_time=$(SECONDS) -max_len=20000 -rss_limit_mb=2000 || exit 1; done

MOMENTS := 50
CLUSTER := PYTHONPATH=. .venv-cluster/bin/python
cluster-test: .venv/dev.done .venv-cluster/done  ## Kill bulk runs MOMENTS times; a search of many processes; files and rows through Dask, LSDB, Ray, Spark and Daft, S3 and GCS (2 GB)
	GAIA_REDSHIFT_MOMENTS=$(MOMENTS) $(BIN)/python -m pytest tests/gaia_redshift/bulk tests/training/trainer/test_search.py
	$(CLUSTER) -m pytest --confcutdir tests/cluster -o filterwarnings=default -rs tests/cluster

scale: .venv-cluster/done  ## Measure the overhead, rate and memory of each engine
	$(CLUSTER) -m benchmarks.scale

ADVISORIES :=
audit: .venv/audit.done  ## Look up known vulnerabilities of the service's dependencies (ADVISORIES="-s osv --osv-url URL" for a mirror)
	$(BIN)/pip-audit $(ADVISORIES) --strict --require-hashes --disable-pip -r requirements/image.txt

sbom: .venv/audit.done  ## Write CycloneDX bills of materials of the images
	mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-file build/sbom.json requirements/image.txt
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-file build/sbom-gpu.json requirements/gpu.txt

# The lock files have hashes and no index, so any mirror can be used. uv is needed for --universal.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock' --upgrade
# The wheel's dependencies have the same versions everywhere, and the service's in every image and development environment.
LIBRARY := $(LOCK) pyproject.toml --constraint requirements/build.txt
SERVE := $(LIBRARY) --constraint requirements/library.txt --extra serve
DEV := $(SERVE) --constraint requirements/serve.txt
# The images support every setting: traces, signed bundles and PostgreSQL need these extras.
IMAGE := $(DEV) --constraint requirements/dev.txt --extra otel --extra signed --extra postgresql
lock:  ## Update requirements/*.txt (needs uv)
	$(LOCK) requirements/build.in --output-file requirements/build.txt
	$(LIBRARY) --output-file requirements/library.txt
	$(SERVE) --output-file requirements/serve.txt
	$(DEV) --extra train --extra dev --output-file requirements/dev.txt
	$(IMAGE) --output-file requirements/image.txt
	$(IMAGE) --constraint requirements/image.txt --extra gpu --output-file requirements/gpu.txt
	for extra in audit browser docs fuzz; do $(DEV) --constraint requirements/dev.txt --extra $$extra \
		--output-file requirements/$$extra.txt; done
	$(LOCK) pyproject.toml requirements/cluster.in --constraint requirements/build.txt --extra bulk --extra dask --extra ray \
		--output-file requirements/cluster.txt

clean:  ## Remove the environments and all caches
	rm -rf .venv .venv-cluster .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv-cluster/done: requirements/cluster.txt | .venv/pip.done
	$(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	touch $@

.venv/pip.done:
	$(PYTHON) -c 'import sys; sys.exit("gaia-redshift needs Python >= 3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	touch $@

PARTS := --editable . --editable app
.venv/dev.done .venv/docs.done: PARTS += --editable training
.venv/%.done: requirements/%.txt requirements/build.txt pyproject.toml app/pyproject.toml training/pyproject.toml | .venv/pip.done
	$(PIP) install --require-hashes -r requirements/build.txt -r $<
	$(PIP) install --no-deps --no-build-isolation $(PARTS)
	touch $@
