# Orderwatch: `make up` starts everything on this machine. Each target is one command that can be run by itself, too.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where nothing may keep bytecode, each run of dbt compiles 2,000 modules again: 13 s instead of 6.
unexport PYTHONDONTWRITEBYTECODE
# Another installation's libraries must not go before those that are installed here.
unexport PYTHONPATH PYTHONHOME

# Questions about a system that was never installed need no installation.
# With the settings of the system that was started here, unless there is none.
SYSTEM := env=$${ORDERWATCH_HOME:-.orderwatch}/env; case "$$env" in "~/"*) env="$$HOME/$${env\#??}";; esac; test ! -f "$$env" || . "$$env"; unset ORDERWATCH_PRODUCER_PORT;
# The batch side has a database role of its own.
BATCH_SYSTEM := $(subst /env;,/batch.env;,$(SYSTEM))
INSTALLED := @test -x $(BIN)/orderwatch || { echo "Nothing is installed yet: run 'make up' first."; exit 1; }

##@ The system on this machine

.PHONY: up down status logs clean
up: ## Install and start everything, or what is missing: PRODUCER=off, BATCH=off, RATE=5, DETECTORS=1
	@$(PYTHON) scripts/install.py
	@$(BIN)/devstack up $(if $(filter off no 0,$(PRODUCER)),--no-producer) $(if $(filter on yes 1,$(PRODUCER)),--producer) \
		$(if $(filter off no 0,$(BATCH)),--no-batch) $(if $(filter on yes 1,$(BATCH)),--batch) \
		$(if $(RATE),--rate $(RATE)) $(if $(DETECTORS),--detectors $(DETECTORS))

down: ## Drain and stop everything; the data stays
	$(INSTALLED)
	@$(BIN)/devstack down

status: ## What runs, since when, and what had to be restarted
	$(INSTALLED)
	@$(BIN)/devstack status

logs: ## What the processes print: SERVICE=detector, FOLLOW=1, LINES=20
	$(INSTALLED)
	@$(BIN)/devstack logs $(SERVICE) $(if $(FOLLOW),--follow) $(if $(LINES),--lines $(LINES))

clean: ## Delete the data of this checkout's system: YES=1 stops it first when it runs
	$(INSTALLED)
	@$(BIN)/devstack clean $(if $(YES),--yes)

##@ Its orders

.PHONY: flags order explain lag topics generate replay accept-topic reconcile
flags: ## Flagged orders and why: FOLLOW=1, LIMIT=20, ARGS="--rule foreign-country --since 2h"
	$(INSTALLED)
	@$(BIN)/orderwatch flags $(if $(FOLLOW),--follow) $(if $(LIMIT),--limit $(LIMIT)) $(ARGS)

order: ## An order with its decision: ID=..., WAIT=10s
	$(INSTALLED)
	@test -n "$(ID)" || { echo "Which order? make order ID=01KAPB3J9D8GQY7S2V0V4N6R1M"; exit 1; }
	@$(BIN)/orderwatch order "$(ID)" $(if $(WAIT),--wait $(WAIT))

explain: ## From the bytes to the decision, and whether all agrees: ID=... or SAMPLE=1000; WAREHOUSE=on
	$(INSTALLED)
	@test -n "$(ID)$(SAMPLE)" || { echo "Which order? make explain ID=01KAPB3J9D8GQY7S2V0V4N6R1M"; exit 1; }
	@$(BIN)/orderwatch explain $(if $(SAMPLE),--sample $(SAMPLE),"$(ID)") \
		$(if $(filter on yes 1,$(WAREHOUSE)),--warehouse)

lag: ## How far the detectors are behind, and who reads what: WATCH=1
	$(INSTALLED)
	@$(BIN)/orderwatch lag $(if $(WATCH),--watch)

topics: ## Topics and their last messages: TOPIC=decisions, LAST=10, FOLLOW=1
	$(INSTALLED)
	@$(BIN)/orderwatch topics $(TOPIC) $(if $(LAST),--last $(LAST)) $(if $(FOLLOW),--follow)

generate: ## Publish orders of past days: START=2026-11-18, DAYS=3, COUNT=30000, SEED=1
	$(INSTALLED)
	@test -n "$(START)" || { echo "From which day on? make generate START=2026-11-18 DAYS=3 COUNT=30000"; exit 1; }
	@$(SYSTEM) $(BIN)/order-producer generate --start "$(START)" --count $(or $(COUNT),10000) \
		$(if $(DAYS),--days $(DAYS)) $(if $(SEED),--seed $(SEED))

accept-topic: ## Read topic orders from its beginning after it was deleted and created again: YES=1
	$(INSTALLED)
	@env=$${ORDERWATCH_HOME:-.orderwatch}/admin.env; test ! -f "$$env" || . "$$env"; \
		$(BIN)/fraud-detector accept-topic $(if $(YES),--yes)

replay: ## Publish a file's lines as they are: FILE=orders.jsonl, RATE=100
	$(INSTALLED)
	@test -n "$(FILE)" || { echo "Which file? make replay FILE=orders.jsonl"; exit 1; }
	@$(SYSTEM) $(BIN)/order-producer replay "$(FILE)" $(if $(RATE),--rate $(RATE))

reconcile: ## Count what went in, what came out, what was loaded: WAIT=30, DATE=2026-11-20, REPAIR=on
	$(INSTALLED)
	$(if $(MEND),@echo "MEND is now called REPAIR.")
	@status=0; $(BIN)/orderwatch reconcile $(if $(WAIT),--wait $(WAIT)) || status=$$?; \
		if test -x airflow/.venv/bin/order-batch; then \
			{ $(BATCH_SYSTEM) airflow/.venv/bin/order-batch reconcile $(DATE) \
				$(if $(filter on yes 1,$(REPAIR) $(MEND)),--repair); } || status=$$?; \
		fi; exit $$status

##@ The warehouse

.PHONY: batch retire marts dbt-docs bigquery-smoke
batch: ## Load business dates, build and show the marts: DATE=2026-11-20, 2026-11-18..2026-11-20 or 2026-11-18..; FULL_REFRESH=on
	$(INSTALLED)
	@test -n "$(DATE)" || { echo "Which date? make batch DATE=2026-11-20, DATE=2026-11-18..2026-11-20, or DATE=2026-11-18.. up to yesterday"; exit 2; }
	@$(PYTHON) scripts/install.py --project airflow
	@$(PYTHON) scripts/install.py --project dbt
	@$(BATCH_SYSTEM) airflow/.venv/bin/order-batch run "$(DATE)" $(if $(filter on yes 1,$(FULL_REFRESH)),--full-refresh)

retire: ## Remove orders from Postgres that the warehouse holds: BEFORE=2026-01-01, DRY_RUN=on, YES=1
	$(INSTALLED)
	@test -n "$(BEFORE)" || { echo "Before which date? make retire BEFORE=2026-01-01 DRY_RUN=on"; exit 2; }
	@$(PYTHON) scripts/install.py --project airflow
	@$(BATCH_SYSTEM) env=$${ORDERWATCH_HOME:-.orderwatch}/migrate.env; test ! -f "$$env" || \
		export ORDERWATCH_OWNER_DATABASE_URL="$$(. "$$env"; echo "$$ORDERWATCH_DATABASE_URL")"; \
		airflow/.venv/bin/order-batch retire --before "$(BEFORE)" $(if $(filter on yes 1,$(DRY_RUN)),--dry-run) $(if $(YES),--yes)

marts: ## The first rows of each mart: ROWS=10
	$(INSTALLED)
	@$(PYTHON) scripts/install.py --project airflow
	@$(BATCH_SYSTEM) airflow/.venv/bin/order-batch marts $(if $(ROWS),--rows $(ROWS))

bigquery-smoke: ## Loads, dbt and marts on a real BigQuery project: PROJECT=my-project, LOCATION=asia-southeast2
	@test -n "$(PROJECT)" || { echo "Which project? make bigquery-smoke PROJECT=my-project"; exit 1; }
	@$(PYTHON) scripts/install.py --project airflow
	@$(PYTHON) scripts/install.py --project dbt
	@cd airflow && .venv/bin/python -m tests.smoke.bigquery_smoke --project "$(PROJECT)" \
		$(if $(LOCATION),--location "$(LOCATION)")

dbt-docs: ## Models, columns, tests and lineage as pages, served at http://127.0.0.1:8580: PORT=8581
	@$(PYTHON) scripts/install.py --project airflow
	@$(PYTHON) scripts/install.py --project dbt
	@$(BATCH_SYSTEM) airflow/.venv/bin/order-batch dbt-docs
	@cd dbt && .venv/bin/dbt docs serve --profiles-dir . --target-path target/docs --host 127.0.0.1 --port $(or $(PORT),8580)

##@ Working on it

.PHONY: install check test test-unit test-unit-packages test-unit-services bench fmt lock
install: ## Install what checking, testing and running needs into .venv
	@$(PYTHON) scripts/install.py --dev
	@$(PYTHON) scripts/install.py --project dbt
	@$(PYTHON) scripts/install.py --project airflow

check: install ## Lint (of SQL, too), formatting, words, layers and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python scripts/check_words.py
	@$(BIN)/lint-imports --no-logo
	@PYTHONPATH=airflow $(BIN)/lint-imports --no-logo airflow/pyproject.toml
	@$(BIN)/mypy .
	@$(BIN)/mypy --config-file dbt/pyproject.toml --python-executable dbt/.venv/bin/python dbt
	@cd dbt && .venv/bin/python lint_sql.py
	@$(BIN)/mypy --config-file airflow/pyproject.toml --python-executable airflow/.venv/bin/python $(addprefix airflow/,order_batch airflow_plugin dags tests)

# Half of the time tests wait. So four groups run at once, those that take longest first, of which none has more than a
# fifth of all; the output of each comes in one piece at its end.
test: install ## All tests: ARGS="-k lag" for some of the workspace's, ORDERWATCH_TEST_BACKEND=containers
	@$(if $(ARGS),$(BIN)/pytest $(ARGS),$(MAKE) --keep-going --jobs=4 \
		test-system test-packages test-builds test-api test-workbench test-commands test-airflow test-faults test-dbt test-interruptions)

test-unit: install ## The workspace's fast tests, in under a minute: without a broker, a database or processes
	@$(MAKE) --jobs=2 test-unit-packages test-unit-services

FAST := -q -m "not integration and not e2e and not slow"
test-unit-packages:
	@$(call in-one-piece,$(BIN)/pytest $(FAST) packages --ignore=packages/order-platform)

test-unit-services:
	@$(call in-one-piece,ORDERWATCH_SIMULATIONS=100 $(BIN)/pytest $(FAST) packages/order-platform services cli devstack)

.PHONY: test-airflow test-api test-workbench test-builds test-dbt test-faults test-system test-commands test-interruptions test-packages
test-api:
	@$(BIN)/pytest services/api

# In Debian's Chromium, where it is installed.
test-workbench:
	@$(call in-one-piece,$(BIN)/pytest services/workbench)

test-airflow:
	@$(call in-one-piece,(cd airflow && .venv/bin/python -m pytest --ignore=tests/builds))

test-builds:
	@$(call in-one-piece,(cd airflow && .venv/bin/python -m pytest tests/builds))

test-dbt:
	@$(call in-one-piece,(cd dbt && .venv/bin/python -m pytest))

test-faults:
	@$(call in-one-piece,$(BIN)/pytest tests/faults tests/database_roles)

test-system:
	@$(call in-one-piece,$(BIN)/pytest tests/e2e tests/containers --ignore=tests/e2e/test_interruptions.py)

test-commands:
	@$(call in-one-piece,$(BIN)/pytest cli devstack tests \
		$(addprefix --ignore=tests/,e2e containers faults database_roles))

test-interruptions:
	@$(call in-one-piece,$(BIN)/pytest tests/e2e/test_interruptions.py)

test-packages:
	@$(call in-one-piece,$(BIN)/pytest packages services --ignore=services/api --ignore=services/workbench)

in-one-piece = said=$$(mktemp); { $(1); } >"$$said" 2>&1; code=$$?; cat "$$said"; rm "$$said"; exit $$code

bench: install ## Measure throughput and latency, write .orderwatch/bench.json
	@$(BIN)/python -m tests.benchmarks $(ARGS)

fmt: install ## Format, and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: install ## Resolve locks/ again: UPGRADE=1 takes newer versions
	@$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## "; print "make TARGET [NAME=value ...]" } \
		/^##@/ { print "\n" substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
