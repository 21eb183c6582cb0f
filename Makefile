# The front door: everything a user, a developer or CI does starts here.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= rehearsal
LEFT_OUT := .pytest_cache/left-out.txt

.PHONY: demo test check bench docs clean

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
	@$(BIN)/python -m pytest $(PYTEST_ARGS); status=$$?; test ! -f $(LEFT_OUT) || cat $(LEFT_OUT); exit $$status

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs_diff

bench: $(READY)
	$(BIN)/python -m experiments.benchmarks

docs: $(READY)
	$(BIN)/python -m tests.docs_diff --write

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info
