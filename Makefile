# `make demo` and `make test` do everything from a bare Python 3.11 on; nothing is installed outside .venv.

# The first Python that is new enough; override with `make PYTHON=/path/to/python3.12 ...`.
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
BIN := .venv/bin
WORKERS ?= 2
DATA ?=
# Options of tests/gpu/measure.py, such as GPU='--minutes 30 --data-root DIR'.
GPU ?=
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
# The tiny seeded run that `make gate` compares with the committed baseline.
GATE_OUT ?= out/gate
GATE_BASELINE := tests/e2e/baseline.json
GATE_RUN := --variants l1,l1+cgan --dataset toycity --size 32 --steps 100 --base-filters 8 --seeds 0,1 \
	--train-limit 120 --test-limit 40 --judge auto,judge_px=size --device cpu --threads 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs test-slow fuzz test-real test-gpu reference reference-gpu reference-check parity gate gate-baseline install clean

help:  ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed  ## install, then train and compare three variants on the embedded data set
	$(BIN)/bench run --variants l1,cgan,l1+cgan --dataset toycity --out out/demo

test: lint  ## install with test extras; lint, type check and run the tests
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-test  ## ruff, mypy, and which folder may import which (.importlinter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: .venv/.installed-docs  ## the documents as a site, in out/site; a broken link or reference fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test-slow: .venv/.installed-test  ## the tests, and the long versions
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --run-slow

fuzz: .venv/.installed-test  ## 10,000 nearly right inputs for every reader: about half an hour
	$(PYTEST) tests/fuzz -n $(WORKERS) --hypothesis-profile campaign --timeout 7200

test-real: check-data .venv/.installed-test  ## the tests on real data: make test-real DATA=folder
	BENCH_REAL_DATA="$(abspath $(DATA))" $(PYTEST) -m real --run-real

.PHONY: check-data
check-data:
	@test -d "$(DATA)" || { echo "expected DATA=folder that holds cityscapes/ and facades/, found '$(DATA)'"; exit 2; }

test-gpu: .venv/.installed-test  ## what needs a CUDA device: tests, then measurements (docs/performance.md)
	@$(PYTEST) tests/gpu -m gpu --run-slow; tested=$$?; $(BIN)/python tests/gpu/measure.py $(GPU) && exit $$tested

# docs/results.md says what each takes; all go on where they were, and LIKE has options for all of them.
LIKE ?= --device cpu --threads 1 --jobs 2
SEEDS ?= 0-2
STUDY := $(BIN)/bench run --data-root "$(DATA)" --seeds $(SEEDS) $(LIKE)
PANEL := --dataset cityscapes --size 128 --base-filters 16 --judge auto,fcn-small,judge_px=256,auto,judge_px=size
SMALL := --dataset cityscapes --size 64 --base-filters 16 --judge auto,judge_px=size
STUDIES := cityscapes-128-8-epochs cityscapes-128-without-skips cityscapes-128-receptive-field cityscapes-128 \
	cityscapes-64-generators cityscapes-64-paired-or-not cityscapes-64-photo2labels facades-64-gan-loss \
	cityscapes-128-50-epochs facades-128-200-epochs
reference: check-data .venv/.installed  ## the studies of a CPU in reports/reference (many hours): make reference DATA=folder
	$(STUDY) $(PANEL) --suite losses --epochs 8 --out out/reference/cityscapes-128-8-epochs
	$(STUDY) $(PANEL) --variants encdec:gan,encdec:cgan --epochs 8 --out out/reference/cityscapes-128-without-skips
	$(STUDY) $(PANEL) --suite receptive-field --epochs 8 --out out/reference/cityscapes-128-receptive-field
	$(STUDY) --dataset cityscapes --size 128 --base-filters 16 --judge auto,judge_px=size --epochs 2 \
		--variants l1,gan,cgan,l1+gan,l1+cgan,l1+cgan/1,l1+cgan/16,l1+cgan/142 --out out/reference/cityscapes-128
	$(STUDY) $(SMALL) --suite generators --epochs 5 --out out/reference/cityscapes-64-generators
	$(STUDY) $(SMALL) --suite paired-or-not --steps 1500 --out out/reference/cityscapes-64-paired-or-not
	$(STUDY) $(SMALL) --suite photo2labels --epochs 2 --out out/reference/cityscapes-64-photo2labels
	$(STUDY) --dataset facades --size 64 --base-filters 16 --judge auto --suite gan-loss --epochs 10 \
		--out out/reference/facades-64-gan-loss
	$(STUDY) $(PANEL) --variants l1+cgan,l1 --epochs 50 --keep-at 2,8,25 --seeds 0 \
		--out out/reference/cityscapes-128-50-epochs
	$(STUDY) --dataset facades --size 128 --base-filters 16 --judge auto,fcn-small,judge_px=256 --suite losses \
		--epochs 200 --keep-at 25,50,100 --seeds 0 --out out/reference/facades-128-200-epochs

reference-check: .venv/.installed  ## what `make reference` left, held against what is published
	@failed=; for name in $(STUDIES); do \
		echo "== $$name"; published=out/reference/published/$$name.json; mkdir -p out/reference/published; \
		$(BIN)/bench claims out/reference/$$name --sanity || failed="$$failed $$name"; \
		$(BIN)/bench baseline reports/reference/$$name $$published --update --ignore judge_hash \
			&& $(BIN)/bench check out/reference/$$name --baseline $$published || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "not as published:$$failed"; exit 1; }

# On a GPU, the longest study: facades, the losses, 50 epochs. With MPS, runs share a GPU (docs/scaling.md).
reference-gpu: check-data .venv/.installed  ## reports/reference/facades-128-50-epochs: minutes of an H100
	$(BIN)/bench run --data-root "$(DATA)" --seeds 0-2 --suite losses --dataset facades --size 128 --base-filters 16 \
		--epochs 50 --judge auto,fcn-small,judge_px=256 --device cuda --jobs 15 --threads 1 \
		--out out/reference/facades-128-50-epochs

RELEASED ?=
parity: check-data .venv/.installed-test  ## our trainer against the released code (hours): make parity DATA=folder RELEASED=folder
	@test -f "$(RELEASED)/train.py" || { echo "expected RELEASED=folder of the released PyTorch code, with its" \
		"train.py, found '$(RELEASED)'"; exit 2; }
	$(BIN)/python tests/parity/run.py "$(RELEASED)" --data-root "$(DATA)" --jobs 2 --out out/parity

gate: .venv/.installed  ## a tiny run, checked against the committed baseline
	$(BIN)/bench run $(GATE_RUN) --out $(GATE_OUT)
	$(BIN)/bench check $(GATE_OUT) --baseline $(GATE_BASELINE)

gate-baseline: .venv/.installed  ## write the committed baseline again (8 seeds): review its diff, then commit it
	$(BIN)/bench run $(GATE_RUN) --seeds 0-7 --out $(GATE_OUT)-baseline
	$(BIN)/bench baseline $(GATE_OUT)-baseline $(GATE_BASELINE) --update --ignore judge_hash

install: .venv/.installed-test  ## .venv with everything for development

# The stamps make the second time quick: pip runs again only when pyproject.toml has changed.
.venv/.installed: pyproject.toml .venv/.made
	@echo "installing into .venv: about 6 GB the first time, some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.installed-test: pyproject.toml .venv/.made
	@echo "installing into .venv with the test extras: about 6 GB the first time, some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/.installed

.venv/.installed-docs: pyproject.toml .venv/.made
	@echo "installing into .venv with what the site needs: about 6 GB the first time, some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ .venv/.installed

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "expected Python 3.11 or newer, found '$$($(PYTHON) --version 2>&1)' as $(PYTHON):" \
			"install one, or name it: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "expected Python's venv and ensurepip, found none in $(PYTHON):" \
			"on Debian and Ubuntu install python3-venv (apt install python3-venv)"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

clean:  ## remove .venv, caches and build products (not out/)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	find bench baselines tests -name __pycache__ -type d -prune -exec rm -rf {} +
