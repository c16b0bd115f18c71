# Every target passes on what it is given: make head DATA=photos SIZE=150 HEAD=ridge ARGS="--name first"
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BOTTLENECK := $(BIN)/bottleneck
INSTALLED := $(VENV)/.installed

DATA ?= sklearn:digits
RUN ?=
FROM ?= block5
IMAGES ?=
ARGS ?=
OPTIONS = $(if $(LABEL),--label $(LABEL)) $(if $(SPLIT),--split $(SPLIT)) $(if $(BASE),--base $(BASE)) $(if $(SIZE),--size $(SIZE)) $(if $(CUT),--cut $(CUT)) \
	$(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(PREPROCESS),--preprocess $(PREPROCESS)) $(PLACES)
PLACES = $(if $(CACHE),--cache $(CACHE)) $(if $(RUNS),--runs $(RUNS)) $(ARGS)
HEADING = $(if $(HEAD),--head "$(HEAD)") $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(POOL),--pool $(POOL)) $(if $(NAME),--name $(NAME)) $(if $(REPLACE),--replace)

.DEFAULT_GOAL := help
.PHONY: help setup weights features head sweep tune endtoend finetune compare predict report cache-verify bench faults lint format type check test test-slow demo docs dist container clean lock

help:
	@echo 'Options are given as variables: make head DATA=photos SIZE=150 HEAD=logreg NAME=first ARGS="--class-weight balanced"'
	@awk '/^## /{sentence=substr($$0,4)} /^[a-z-]+:/{if(sentence){split($$1,t,":");printf "  %-14s %s\n",t[1],sentence;sentence=""}}' $(MAKEFILE_LIST)

## Make the virtual environment and install the locked dependencies.
setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

## Fetch the ImageNet weights of BASE (vgg16).
weights: $(INSTALLED)
	$(BOTTLENECK) weights fetch $(or $(BASE),vgg16)

## Stage one: cache the features of DATA that are missing.
features: $(INSTALLED)
	$(BOTTLENECK) features "$(DATA)" $(OPTIONS)

## Stage two: train HEAD (ridge) on the cached features of DATA.
head: $(INSTALLED)
	$(BOTTLENECK) head "$(DATA)" $(HEADING) $(OPTIONS)

## Train many heads on the cached features of DATA and rank them.
sweep: $(INSTALLED)
	$(BOTTLENECK) sweep "$(DATA)" $(HEADING) $(OPTIONS)

## Serve a local page: choose heads on the cached features of DATA, see their mistakes, relabel images.
tune: $(INSTALLED)
	$(BOTTLENECK) tune "$(DATA)" $(OPTIONS)

## Train HEAD end to end on live, augmented images of DATA, the base frozen.
endtoend: $(INSTALLED)
	$(BOTTLENECK) endtoend "$(DATA)" $(HEADING) $(OPTIONS)

## Fine-tune the base from layer or block FROM (block5) on, after the head.
finetune: $(INSTALLED)
	$(BOTTLENECK) finetune "$(DATA)" --from $(FROM) $(HEADING) $(OPTIONS)

## Cached against live: accuracy and seconds side by side.
compare: $(INSTALLED)
	$(BOTTLENECK) compare "$(DATA)" $(if $(HEAD),--head "$(HEAD)") $(OPTIONS)

## Label IMAGES (files or folders) with RUN.
predict: $(INSTALLED)
	$(BOTTLENECK) predict "$(RUN)" $(IMAGES) $(PLACES)

## Write one HTML page on all runs.
report: $(INSTALLED)
	$(BOTTLENECK) report $(RUN) $(PLACES)

## Read every byte of the cache and say whether it is whole.
cache-verify: $(INSTALLED)
	$(BOTTLENECK) cache verify $(PLACES)

# Those of README's and RESULTS' tables of speed: about twenty minutes. The others have a line in RESULTS.md with their command.
BENCHMARKS ?= decoders stage_one phones store head_epoch warm_head

## Run the benchmarks of speed (others by BENCHMARKS="far folds"); each prints its own ratios.
bench: $(INSTALLED)
	for name in $(BENCHMARKS); do echo "$$name"; DATA="$(DATA)" $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done

## The long forms of the tests on faults: KILLS=100 killed commands, EXAMPLES=10000 mutated files.
faults: $(INSTALLED)
	FAULTS_EXAMPLES=$(or $(EXAMPLES),10000) $(BIN)/pytest tests/faults
	$(BIN)/python benchmarks/kill.py --kills $(or $(KILLS),100)

## Check style.
lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

## Rewrite the code in the project's style.
format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## Check types.
type: $(INSTALLED)
	$(BIN)/mypy

# Python's caches are written: otherwise every process of the tests compiles the package again.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

## Run the tests, on all cores, but for the slow ones: a few minutes.
test: $(INSTALLED)
	$(PYTEST) -m "not slow" $(ARGS)

## Run the slow tests: clusters, faults, browsers, pages of docs/, trainings of the base, comparisons, every network and export.
test-slow: $(INSTALLED)
	$(PYTEST) -m slow $(ARGS)

## Lint, types and all tests: what CI runs.
check: lint type test test-slow

## Main job on real scans with real weights: features, two heads, a table, curves, a confusion matrix.
demo: $(INSTALLED)
	$(BOTTLENECK) features sklearn:digits --size 64 $(PLACES)
	$(BOTTLENECK) head sklearn:digits --size 64 --head logreg --name demo-logreg --replace $(PLACES)
	$(BOTTLENECK) head sklearn:digits --size 64 --head dense:256,relu,dropout:0.5 --epochs 15 --name demo-dense --replace $(PLACES)
	$(BOTTLENECK) runs $(PLACES)
	$(BOTTLENECK) report demo-logreg demo-dense $(PLACES)

## Write the pages of docs/commands anew, from the commands.
docs: $(INSTALLED)
	$(BIN)/python docs/commands.py

## Build wheel and sdist into dist/, and check what an index would check.
dist: $(INSTALLED)
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

## Build the container's image without Docker and use it, as root (needs buildah and a few minutes; BASE=debian also debootstrap).
container: $(INSTALLED)
	PYTHON=$(abspath $(BIN))/python BASE=$(BASE) tests/packaging/container.sh $(ARGS)

## Write requirements.lock and requirements-gpu.lock anew from pyproject.toml.
lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --all-extras --upgrade pyproject.toml -o requirements.lock
	echo 'tensorflow[and-cuda]==2.21.*' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --upgrade --constraint requirements.lock - -o requirements-gpu.lock

## Remove what the tools made; features, runs and the environment stay.
clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
