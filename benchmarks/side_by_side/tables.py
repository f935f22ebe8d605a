"""Results as Markdown and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from side_by_side.compare import Agreement, Outcome, ShapeResult


def header(peers: Sequence[str]) -> str:
    """The table's first two lines."""
    cells = ["shape", "ellimix", *peers, "share of dgemm"]
    return f"| {' | '.join(cells)} |\n|---|{'---:|' * (len(cells) - 1)}"


def line(result: ShapeResult) -> str:
    """A shape: times of an iteration, and in brackets theirs by ours."""
    cells = [
        str(result.shape),
        duration(result.seconds),
        *(_cell(outcome) for outcome in result.outcomes),
        "" if result.share is None else f"{percent(result.share)} %",
    ]
    return f"| {' | '.join(cells)} |"


def percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"


def duration(seconds: float) -> str:
    """Three digits, in us, ms or s."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-6)} us"


def agreements(results: Sequence[ShapeResult]) -> list[str]:
    """A line for each tool and precision: the worst over the shapes."""
    found: dict[tuple[str, str], list[Agreement]] = {}
    for result in results:
        if result.ours_agreement is not None and result.shape.dtype == "float32":
            found.setdefault(("ellimix", "float32"), []).append(result.ours_agreement)
        for outcome in result.outcomes:
            if outcome.agreement is not None:
                found.setdefault((outcome.tool, outcome.dtype), []).append(outcome.agreement)
    return [
        f"{tool} {dtype}: parameters to {max(a.parameters for a in group):.1e}, "
        f"log-likelihood to {max(a.log_likelihood for a in group):.1e} "
        f"(allowed {group[0].tolerance:.0e})"
        for (tool, dtype), group in found.items()
    ]


def reasons(results: Sequence[ShapeResult]) -> list[str]:
    """Why a cell is empty: a line for each tool and reason, with the shapes."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for outcome in result.outcomes:
            if outcome.reason is not None:
                found.setdefault((outcome.tool, outcome.reason), []).append(str(outcome.shape))
    everything = len(results)
    return [
        f"{tool}: {reason} ({'all shapes' if len(shapes) == everything else '; '.join(shapes)})"
        for (tool, reason), shapes in found.items()
    ]


def versions(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each tool: its packages, as its worker found them."""
    return [
        f"{tool}: " + ", ".join(f"{name} {version}" for name, version in packages.items())
        for tool, packages in found.items()
    ]


def disagreements(results: Sequence[ShapeResult]) -> list[str]:
    """Tools whose numbers are farther from ours than they may be."""
    lines = []
    for result in results:
        pairs = [(outcome.tool, outcome.agreement) for outcome in result.outcomes]
        for tool, agreement in [("ellimix", result.ours_agreement), *pairs]:
            if agreement is not None and not agreement.holds:
                lines.append(
                    f"{tool} on {result.shape}: parameters {agreement.parameters:.1e}, "
                    f"log-likelihood {agreement.log_likelihood:.1e}, "
                    f"allowed {agreement.tolerance:.0e}"
                )
    return lines


def record(results: Sequence[ShapeResult], versions: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Everything measured, for a file."""
    return {
        "versions": versions,
        "shapes": [
            {
                "shape": asdict(result.shape),
                "name": str(result.shape),
                "seconds": result.seconds,
                "share_of_product": result.share,
                "product_flops_per_second": result.product_rate,
                "ours_agreement": result.ours_agreement and asdict(result.ours_agreement),
                "peers": [_outcome_record(outcome) for outcome in result.outcomes],
            }
            for result in results
        ],
    }


def _outcome_record(outcome: Outcome) -> dict[str, Any]:
    content = {key: value for key, value in asdict(outcome).items() if key != "shape"}
    if outcome.pairs is not None:
        content["ratio"] = outcome.pairs.ratio
    return content


def _cell(outcome: Outcome) -> str:
    if outcome.pairs is None:
        return "—"
    note = "" if outcome.dtype == outcome.shape.dtype else " " + outcome.dtype
    seconds = duration(statistics.median(outcome.pairs.theirs))
    return f"{seconds}{note} ({_three_digits(outcome.pairs.ratio)}x)"


def _three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
