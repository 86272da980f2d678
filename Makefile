# Every target only calls tasks.py, so that Windows (`py tasks.py lab`) does the same.
#   make lab LAB_ARGS="--no-browser --port 9999"     make test ARGS="-k stats"
#   make lab PYTHON=python3.12                       where python3 is older than 3.10
#   make lab WMLEARN_TORCH=pypi                      PyTorch from PyPI; =cpu from PyTorch's own index

PYTHON ?= python3

.PHONY: help lab check test test-all session lessons editions zoo site slides lite bench set-up wheelhouse

help:
	@$(PYTHON) tasks.py help

lab:
	@$(PYTHON) tasks.py lab $(LAB_ARGS)

check:
	@$(PYTHON) tasks.py check $(ARGS)

test:
	@$(PYTHON) tasks.py test $(ARGS)

test-all:
	@$(PYTHON) tasks.py test-all $(ARGS)

session:
	@$(PYTHON) tasks.py session $(ARGS)

lessons:
	@$(PYTHON) tasks.py lessons $(ARGS)

editions:
	@$(PYTHON) tasks.py editions $(ARGS)

zoo:
	@$(PYTHON) tasks.py zoo $(ARGS)

site:
	@$(PYTHON) tasks.py site $(ARGS)

slides:
	@$(PYTHON) tasks.py slides $(ARGS)

lite:
	@$(PYTHON) tasks.py lite $(ARGS)

bench:
	@$(PYTHON) tasks.py bench $(ARGS)

set-up:
	@$(PYTHON) tasks.py set-up $(ARGS)

wheelhouse:
	@$(PYTHON) tasks.py wheelhouse $(ARGS)
