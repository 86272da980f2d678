# Every target only calls tasks.py, so that Windows (`py tasks.py lab`) does the same.
#   make lab LAB_ARGS="--no-browser --port 9999"     make test ARGS="-k stats"

PYTHON ?= python3

.PHONY: help lab test test-all lessons zoo bench set-up

help:
	@$(PYTHON) tasks.py help

lab:
	@$(PYTHON) tasks.py lab $(LAB_ARGS)

test:
	@$(PYTHON) tasks.py test $(ARGS)

test-all:
	@$(PYTHON) tasks.py test-all $(ARGS)

lessons:
	@$(PYTHON) tasks.py lessons $(ARGS)

zoo:
	@$(PYTHON) tasks.py zoo $(ARGS)

bench:
	@$(PYTHON) tasks.py bench $(ARGS)

set-up:
	@$(PYTHON) tasks.py set-up $(ARGS)
