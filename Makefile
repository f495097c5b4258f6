# Everything sets itself up: a fresh machine needs only Python ≥ 3.11, make and a C compiler.
PYTHON ?= python3
BIN := .venv/bin
# More options for pytest: make test PYTEST="--durations=10 tests/core"
PYTEST ?=
export OMP_WAIT_POLICY := PASSIVE
# uv leaves the compilation of a package's modules to their first use; kept, or every process would repeat it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run results unbiased kills faults fuzz gpu-pack gpu-collect test test-slow lint format golden miniature docs clean

run: .venv/installed
	$(BIN)/preceptor run quick --out run/quick

# The tables and the picture that README.md shows: `quick` with three seeds and more tokens. An hour on two
# busy cores; resumable.
FULL := run/quick-full
results: .venv/installed
	$(BIN)/preceptor run quick-full --out $(FULL)
	mkdir -p results/quick
	cp $(FULL)/report/picture.svg $(FULL)/report/figures/arms-real-test-seen.svg $(FULL)/ranking/tstr.csv \
		$(FULL)/ranking/paired.csv $(FULL)/ranking/slices.csv $(FULL)/ranking/arms.csv $(FULL)/lm/points.csv \
		$(FULL)/lm/ladder.csv $(FULL)/scaling/forecast.csv $(FULL)/study.json $(FULL)/recommend/recommend.csv results/quick/
	$(BIN)/python -c 'from pathlib import Path; from preceptor.report import summary; out = Path("$(FULL)"); \
		Path("results/quick/main_table.txt").write_text(summary.main_table(out) + "\n"); \
		Path("results/quick/ranking.txt").write_text(summary.ranking_tables(out) + "\n")'

# Which knob removes which bias, on simulated markets; about a quarter of an hour on two cores, resumable.
unbiased: .venv/installed
	$(BIN)/python -m benchmarks.unbiased.study --out results/unbiased --work run/unbiased

# Damaged and hostile input of all kinds, in one process at a low priority: an hour or two for a million cases. Resumable; faults
# are kept in run/fuzz, and the counts of all sessions in results/reliability/fuzz.csv.
CASES ?= 1000000
fuzz: .venv/dev
	PYTHONPATH=src:tests nice -n 19 $(BIN)/python -m fuzz.campaign --cases $(CASES) $(FUZZ)

# A thousand SIGKILLs, and every write failing once, of the smallest study with every stage (docs/reliability.md). Hours on two
# busy cores; resumable. MINUTES=60 stops after an hour.
MINUTES ?= 1000000
kills: .venv/dev
	PYTHONPATH=src:tests $(BIN)/python -m reliability.kills --work run/kills --out results/reliability/kills.csv --minutes $(MINUTES)

faults: .venv/dev
	PYTHONPATH=src:tests $(BIN)/python -m reliability.faults --work run/faults --out results/reliability/faults.csv --minutes $(MINUTES)

# Packs for a machine with a GPU that is lent for minutes, and the tables that come back (docs/continual.md). GPU=small: a
# rehearsal on the CPU.
GPU ?= study
FROM ?= run/gpu-back
gpu-pack: .venv/packs
	$(BIN)/python -m benchmarks.gpu_pack build --packs $(GPU)

gpu-collect: .venv/installed
	$(BIN)/python -m benchmarks.gpu_pack collect $(FROM) $(COLLECT)

miniature: .venv/installed
	$(BIN)/preceptor run miniature --out run/miniature

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow" -n auto $(PYTEST)

test-slow: .venv/slow
	$(BIN)/python -m pytest -m slow $(PYTEST)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site of the documents, build/site/index.html; its tools have an environment of their own.
docs: build/docs-env/installed
	$(PYTHON) tools/docs_site.py
	build/docs-env/bin/mkdocs build --strict --quiet
	@echo "build/site/index.html"

build/docs-env/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv build/docs-env
	build/docs-env/bin/python -m pip install --disable-pip-version-check -qq -c constraints.txt \
		$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	@touch $@

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

.venv/slow: .venv/dev
	@$(PYTHON) tools/set_up.py --slow
	@touch $@

# One of the packs has codes by rq-kmeans.
.venv/packs: .venv/installed
	@$(PYTHON) tools/set_up.py --packs
	@touch $@

clean:
	rm -rf .venv run .mypy_cache .ruff_cache .pytest_cache
