"""For tests and the examples of modules and pages: pictures do not pile up."""

import sys


def pytest_runtest_teardown():
    """Close the figures that a test or an example left open: matplotlib warns of many."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
