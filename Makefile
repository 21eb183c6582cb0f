# The front door: everything a user, a developer or CI does starts here.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= rehearsal
# More than cores: tests over Flower wait most of the time.
WORKERS ?= 3
# Every branch of the mechanism, the ledger and the verifier is taken by some test, or the run fails.
COVERAGE ?= --cov=privacy --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100
LEFT_OUT := .pytest_cache/left-out.txt

.PHONY: demo test check recovery bench docs clean

# Made once from the constraints, and again only when they or the project's own declaration change.
$(READY): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,check]"
	touch $@

demo: $(READY)
	$(BIN)/coalition rehearse --out $(OUT)

# The last line says which tiers were left out and why, also after a failure; the exit status stays pytest's.
test: $(READY)
	@rm -f $(LEFT_OUT)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(COVERAGE)); status=$$?; test ! -f $(LEFT_OUT) || cat $(LEFT_OUT); exit $$status

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs_diff
	$(BIN)/python -m tests.attack.mutations

# Every kind of process of a coalition over Flower, killed at every exchange of a run.
recovery: $(READY)
	$(BIN)/python -m pytest -s tests/whole/recovery_table.py

bench: $(READY)
	$(BIN)/python -m experiments.benchmarks

docs: $(READY)
	$(BIN)/python -m tests.docs_diff --write

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info
