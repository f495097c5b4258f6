# Everything sets itself up: a fresh machine needs only Python ≥ 3.11, make and a C compiler.
PYTHON ?= python3
BIN := .venv/bin
# More options for pytest: make test PYTEST="--durations=10 tests/core"
PYTEST ?=
export OMP_WAIT_POLICY := PASSIVE
# uv leaves the compilation of a package's modules to their first use; kept, or every process would repeat it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run results unbiased test test-slow lint format golden miniature clean

run: .venv/installed
	$(BIN)/preceptor run quick --out run/quick

# The tables and the picture that README.md shows, from a run of this checkout.
results: run
	mkdir -p results/quick
	cp run/quick/report/picture.svg run/quick/ranking/tstr.csv run/quick/ranking/paired.csv run/quick/ranking/slices.csv run/quick/ranking/arms.csv \
		run/quick/lm/points.csv run/quick/lm/ladder.csv run/quick/scaling/forecast.csv run/quick/study.json \
		run/quick/recommend/recommend.csv results/quick/
	$(BIN)/python -c 'from pathlib import Path; from preceptor.report.summary import main_table; print(main_table(Path("run/quick")))' \
		> results/quick/main_table.txt

# Which knob removes which bias, on simulated markets; about a quarter of an hour on two cores, resumable.
unbiased: .venv/installed
	$(BIN)/python benchmarks/unbiased.py --out results/unbiased --work run/unbiased

miniature: .venv/installed
	$(BIN)/preceptor run miniature --out run/miniature

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow" $(PYTEST)

test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow $(PYTEST)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Golden values change only here, together with a stage's VERSION and a reason in the commit.
golden: .venv/dev
	PYTHONPATH=src:tests $(BIN)/python tests/make_golden.py

# tools/set_up.py says what it does: torch and uv by pip, the rest by uv, at the versions of constraints.txt.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) tools/set_up.py
	@touch $@

.venv/dev: .venv/installed
	@$(PYTHON) tools/set_up.py --dev
	@touch $@

clean:
	rm -rf .venv run .mypy_cache .ruff_cache .pytest_cache
