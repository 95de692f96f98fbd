# make demo | test | test-slow | test-all | lint | clean. Needs Python 3.11 to 3.13 with its venv module, and
# make. Each target sets up .venv by itself; another interpreter: make PYTHON=python3.12 demo
# For a fresh start: rm -rf .venv

PYTHON ?= python3

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet
# A process a core; tests of one file stay together, as they share fits. Each takes 1 to 2 GB. Files
# come in their order: xdist's own leaves those with few tests to the end, the longest among them.
# The test in which a process dies is tried once more (tests/support/scheduling.py), thrice in all.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 3
# A stamp says "installed completely, from this pyproject.toml". The dev install contains the demo's.
DEMO := .venv/.installed-demo
DEV := .venv/.installed-dev

# Stamps count only in an environment that starts and was installed for this folder: one that is
# broken, moved or copied is repaired. (The script's first line holds the folder's full path.)
ifneq ($(shell $(PY) -c 'import pip' 2>/dev/null && grep -sqF "$$(pwd -P)/$(PY)" .venv/bin/twofold && echo whole),whole)
REPAIR := repair
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow test-all lint clean repair

help:
	@echo "make demo      fit and judge detectors on the packaged solar-cell images, into demo-out/"
	@echo "make test      the quick tests"
	@echo "make test-slow the slow tests"
	@echo "make test-all  all tests, the slow ones too"
	@echo "make lint      ruff check, ruff format --check, mypy"
	@echo "make clean     remove everything generated but .venv"

demo: $(DEMO)
	.venv/bin/twofold demo --out demo-out

test: $(DEV)
	$(PY) -m pytest $(PARALLEL) -m "not slow"

test-slow: $(DEV) # pytest's 5 says "no test selected": there may be none
	$(PY) -m pytest $(PARALLEL) -m slow || [ $$? -eq 5 ]

test-all: $(DEV)
	$(PY) -m pytest $(PARALLEL)

lint: $(DEV)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

clean:
	rm -rf demo-out build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

repair: ;

$(DEMO): pyproject.toml $(REPAIR)
	$(call install,demo)
	@touch $(DEMO)

$(DEV): pyproject.toml $(REPAIR)
	$(call install,dev)
	@touch $(DEMO) $(DEV)

define install
@rm -f $(DEMO) $(DEV)
@$(PY) -c 'import pip' 2>/dev/null || { $(new-environment); }
@echo "Installing twofold[$(1)] into .venv; the first time takes some minutes and several GB ..."
@$(PIP) --editable '.[$(1)]' || \
	{ echo "the installation failed; make again to continue, or first rm -rf .venv to start anew" >&2; exit 1; }
endef

define new-environment
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo "twofold needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }; \
$(PYTHON) -m venv --clear .venv || \
	{ echo "could not make .venv; on Debian and Ubuntu the package python3-venv may be missing" >&2; exit 1; }
endef
