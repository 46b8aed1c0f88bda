# Everything a person types at this repository. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3.11
UV_VERSION := 0.13.8
BIN := .venv/bin
SITE := .venv/lib/python3.11/site-packages
# buf and protoc look for their plugins, and npm for node, on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The system's certificates, as pip and Maven use them: a company's proxy signs with its own.
export UV_SYSTEM_CERTS ?= true

SERVICES := identity tickets knowledge agent channels
PACKAGES := contracts meshkit $(addprefix services/,$(SERVICES)) local $(patsubst %/pyproject.toml,%,$(wildcard gateway/pyproject.toml client/pyproject.toml simulators/pyproject.toml))
PYPROJECTS := pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))

INSTALLED := .venv/.installed
KAFKA := .build/kafka/.copied
PROTOS := .build/third_party/.copied
# Of what a start of the knowledge service imports; whatever decides what is embedded, and how, makes them anew.
VECTORS := .build/vectors.safetensors
EMBEDS := meshkit/src/meshkit/minilm.py $(addprefix services/knowledge/src/knowledge/,model.py settings.py) \
  $(wildcard services/knowledge/src/knowledge/ranking/*.py)
WEB_MODULES := web-form/node_modules/.installed
# The tests call the mesh as its users do.
GRPCURL_VERSION := v1.9.3
GRPCURL := .build/bin/grpcurl
WEB := web-form/dist/.built
WEB_SOURCES := $(shell find web-form/src web-form/public -type f 2>/dev/null) $(wildcard web-form/*.html web-form/*.ts web-form/*.json)

##@ Running
.PHONY: up down demo
up: $(INSTALLED) $(KAFKA) $(WEB) $(VECTORS) ## start the whole mesh and wait until it answers (DETACH=1: return then)
	@exec $(BIN)/python -m local up $(if $(filter 1,$(DETACH)),--detach)

down: ## stop a mesh that was started with DETACH=1
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; fi

demo: $(INSTALLED) ## with the mesh up: one question on each channel, and the answers
	@exec $(BIN)/python -m local demo

.PHONY: clean
clean: ## stop the mesh and forget everything it kept
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local clean; else rm -rf .local; fi

##@ Proving
.PHONY: test test-long test-python test-web check bench eval meaning fit
test: test-python test-web ## all tests but the long ones, and at least 85 % of our code run by them

test-python: $(INSTALLED) $(KAFKA) $(PROTOS) $(WEB) $(VECTORS) $(GRPCURL)
	$(BIN)/coverage erase
	$(BIN)/pytest -m "not long" -n 2 --dist loadscope --cov --cov-report=term:skip-covered --cov-fail-under=85

test-web: $(WEB_MODULES)
	cd web-form && npm test --silent

test-long: $(INSTALLED) $(KAFKA) $(PROTOS) $(WEB) $(VECTORS) $(GRPCURL) ## the tests that `make test` leaves out: every seed of every fault
	$(BIN)/pytest -m long

check: check-python check-plan check-protos check-gateway check-web ## the quick static part: format, lint, types, layers, contracts, gateway

.PHONY: check-python check-plan check-protos check-gateway check-web
check-python: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check-plan: $(INSTALLED)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/plan

check-protos: $(INSTALLED) $(PROTOS)
	$(BIN)/buf lint
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/buf breaking protos --against protos/baseline.binpb

check-gateway: $(INSTALLED)
	$(BIN)/python -m gateway validate

check-web: $(WEB_MODULES)
	cd web-form && npm run --silent check

bench: $(INSTALLED) $(KAFKA) $(WEB) $(VECTORS) ## measure against the baselines and write bench/RESULTS.md
	$(BIN)/python -m bench

eval: $(INSTALLED) $(VECTORS) ## measure how well the agent answers and write evaluation/RESULTS.md (EVAL="--split tune --limit 60" for a part)
	$(BIN)/python -m evaluation $(EVAL)

TRAINING := .build/training
TRAINED := $(TRAINING)/.installed
TRAIN = PYTHONPATH=$$($(BIN)/python -c 'import sys; print(":".join(path for path in sys.path if path))') $(TRAINING)/bin/python
meaning: $(TRAINED) ## train the model of what customers mean anew, with JAX in an environment of its own (twenty minutes)
	$(TRAIN) -m evaluation.meaning.train

fit: $(TRAINED) $(VECTORS) ## fit anew how surely a passage answers, from the messages that may be looked at
	$(TRAIN) -m evaluation.fitting

##@ Making
.PHONY: install third-party kafka generate web vectors lock
install: $(INSTALLED) ## the virtual environment, from the lock

third-party: $(PROTOS) ## the protos we import, out of the packages that carry them

kafka: $(KAFKA) ## the broker's jars

generate: $(INSTALLED) $(PROTOS) ## Python from the contracts
	$(BIN)/buf generate
	@# The stub generator for mypy writes a file for protos without a service, too; those would describe nothing.
	find contracts/src -name '*_pb2_grpc.pyi' ! -name '*_service_pb2_grpc.pyi' -delete
	$(BIN)/buf build --as-file-descriptor-set -o - | $(BIN)/python contracts/build_descriptors.py

.PHONY: baseline
baseline: $(INSTALLED) $(PROTOS) ## move the baseline of `buf breaking`, on purpose: from here on, today's contracts are what callers rely on
	$(BIN)/buf build protos --exclude-source-info -o protos/baseline.binpb

web: $(WEB) ## the web form, built

vectors: $(VECTORS) ## the embeddings of context/, so that no start has to make them

lock: $(INSTALLED) ## requirements.txt anew from every pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  $(PYPROJECTS) --group dev --group bench --no-emit-package fte-contracts --no-emit-package fte-meshkit \
	  --custom-compile-command "make lock" -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.txt \
	  --group training --custom-compile-command "make lock" -o evaluation/meaning/requirements.txt

$(INSTALLED): requirements.txt $(PYPROJECTS)
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install the package python3.11 (with python3.11-venv), or name another with PYTHON=…" >&2; exit 1; }
	@[ "$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] || { echo "$(PYTHON) is not Python 3.11, which the lock is made for: name one with PYTHON=…" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'from importlib.metadata import version; assert version("uv") == "$(UV_VERSION)"' 2>/dev/null || $(BIN)/pip install -q uv==$(UV_VERSION)
	$(BIN)/uv pip install -q --require-hashes --compile-bytecode -r requirements.txt
	$(BIN)/uv pip install -q --no-deps $(addprefix -e ./,$(PACKAGES))
	@touch $@

# Only what our contracts import, and what that imports in turn.
GOOGLE_PROTOS := $(addprefix api/,annotations http httpbody field_behavior field_info resource client launch_stage) \
  $(addprefix rpc/,code error_details status)
$(PROTOS): local/protos/pom.xml requirements.txt | $(INSTALLED)
	@$(call need_maven)
	rm -rf .build/third_party .build/maven/protos
	@mvn -B -q -ntp -Dstyle.color=never -f local/protos/pom.xml process-resources
	@for name in $(GOOGLE_PROTOS); do install -D -m 0644 $(SITE)/google/$$name.proto .build/third_party/google/$$name.proto; done
	@touch $@

$(KAFKA): local/kafka/pom.xml
	@$(call need_maven)
	rm -rf .build/kafka
	@mvn -B -q -ntp -Dstyle.color=never -f local/kafka/pom.xml process-resources
	@touch $@

$(WEB_MODULES): web-form/package.json web-form/package-lock.json
	@command -v npm >/dev/null || { echo "Node is missing: install the packages nodejs (20.19 or later) and npm" >&2; exit 1; }
	cd web-form && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(TRAINED): $(INSTALLED) evaluation/meaning/requirements.txt
	@[ -x $(TRAINING)/bin/python ] || $(PYTHON) -m venv $(TRAINING)
	$(BIN)/uv pip install -q --python $(TRAINING)/bin/python --require-hashes -r evaluation/meaning/requirements.txt
	@touch $@

$(GRPCURL):
	@command -v go >/dev/null || { echo "Go is missing, which builds grpcurl for the tests: install the package golang-go" >&2; exit 1; }
	GOBIN=$(CURDIR)/.build/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)

$(VECTORS): $(INSTALLED) $(wildcard context/*.md) $(EMBEDS)
	CONTEXT_DIR=context $(BIN)/python -m knowledge.ranking.ahead $@

$(WEB): $(WEB_SOURCES) | $(WEB_MODULES)
	cd web-form && npm run --silent build
	@touch $@

define need_maven
command -v java >/dev/null || { echo "Java is missing: install the package openjdk-17-jre-headless" >&2; exit 1; }; \
command -v mvn >/dev/null || { echo "Maven is missing: install the package maven" >&2; exit 1; }
endef

##@ Help
.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
