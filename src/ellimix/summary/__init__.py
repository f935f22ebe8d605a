"""A fitted mixture in numbers, in one record that prints as text, HTML, LaTeX and Markdown."""

from __future__ import annotations

from ellimix.summary.summary import Summary

__all__ = ["Summary"]
