# The documentation site, with the gallery's pages run: pip install '.[docs]' first.
PYTHON ?= python3

.PHONY: docs clean-docs
docs:
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

clean-docs:
	rm -rf docs/_build docs/auto_gallery docs/api/generated
