"""A report: all that is known of a fitted model, as one page that refers to nothing outside."""

from __future__ import annotations

from ellimix.reporting.making import check_wanted, estimator_page, report_page
from ellimix.reporting.subject import Subject

__all__ = ["Subject", "check_wanted", "estimator_page", "report_page"]
