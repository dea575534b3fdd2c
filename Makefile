# Orderwatch: `make up` starts everything on this machine. Each target is one command that can be run by itself, too.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Questions about a system that was never installed need no installation.
INSTALLED := @test -x $(BIN)/orderwatch || { echo "Nothing is installed yet: run 'make up' first."; exit 1; }

##@ The system on this machine

.PHONY: up down status logs topics replay reconcile clean
up: ## Install and start everything, or what is missing: PRODUCER=off, RATE=5, DETECTORS=1
	@$(PYTHON) scripts/install.py
	@$(BIN)/orderwatch up $(if $(filter off no 0,$(PRODUCER)),--no-producer) $(if $(filter on yes 1,$(PRODUCER)),--producer) \
		$(if $(RATE),--rate $(RATE)) $(if $(DETECTORS),--detectors $(DETECTORS))

down: ## Drain and stop everything; the data stays
	$(INSTALLED)
	@$(BIN)/orderwatch down

status: ## What runs, since when, and what had to be restarted
	$(INSTALLED)
	@$(BIN)/orderwatch status

logs: ## What the processes print: SERVICE=detector, FOLLOW=1, LINES=20
	$(INSTALLED)
	@$(BIN)/orderwatch logs $(SERVICE) $(if $(FOLLOW),--follow) $(if $(LINES),--lines $(LINES))

topics: ## Topics, consumer lag and last messages: TOPIC=decisions, LAST=10, FOLLOW=1
	$(INSTALLED)
	@$(BIN)/orderwatch topics $(TOPIC) $(if $(LAST),--last $(LAST)) $(if $(FOLLOW),--follow)

replay: ## Publish a file's lines as they are: FILE=orders.jsonl, RATE=100
	$(INSTALLED)
	@test -n "$(FILE)" || { echo "Which file? make replay FILE=orders.jsonl"; exit 1; }
	@env=$${ORDERWATCH_HOME:-.orderwatch}/env; test ! -f "$$env" || . "$$env"; unset ORDERWATCH_PRODUCER_PORT; \
		$(BIN)/order-producer replay "$(FILE)" $(if $(RATE),--rate $(RATE))

reconcile: ## Count what went in against what came out: WAIT=30
	$(INSTALLED)
	@$(BIN)/orderwatch reconcile $(if $(WAIT),--wait $(WAIT))

clean: ## Delete the data of this checkout's system: YES=1 stops it first when it runs
	$(INSTALLED)
	@$(BIN)/orderwatch clean $(if $(YES),--yes)

##@ Working on it

.PHONY: install check test bench fmt lock
install: ## Install what checking, testing and running needs into .venv
	@$(PYTHON) scripts/install.py --dev

check: install ## Lint, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .

test: install ## All tests: ARGS="-k lag", ORDERWATCH_TEST_BACKEND=containers
	@$(BIN)/pytest $(ARGS)

bench: install ## Measure throughput and latency, write .orderwatch/bench.json
	@$(BIN)/python -m tests.benchmarks $(ARGS)

fmt: install ## Format, and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: install ## Resolve locks/ anew: UPGRADE=1 takes newer versions
	@$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## "; print "make TARGET [NAME=value ...]" } \
		/^##@/ { print "\n" substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
