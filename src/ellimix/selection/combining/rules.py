"""Rules for merging clusters by name. A new rule is one file and one line here."""

from __future__ import annotations

from typing import Final

from ellimix.selection.combining.base import Rule
from ellimix.selection.combining.bhattacharyya import Bhattacharyya
from ellimix.selection.combining.entropy import Entropy
from ellimix.selection.combining.misclassification import Misclassification
from ellimix.selection.combining.ridgeline import Ridgeline

RULES: Final[dict[str, Rule]] = {
    rule.name: rule for rule in (Entropy(), Bhattacharyya(), Misclassification(), Ridgeline())
}
