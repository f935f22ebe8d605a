"""Choosing the number of components and the covariance family: ours, mclust's, scikit-learn's.

    python benchmarks/selection.py --cells              BIC of every cell on real data
    python benchmarks/selection.py --truth --seeds 1    simulations with a known answer
    python benchmarks/selection.py --time               seconds of the whole search
    python benchmarks/selection.py --curve              BIC against seconds, a picture
    python benchmarks/selection.py --cells --only mclust sklearn

Each tool runs in a process of its own: `em.select(X)`, R's `Mclust(X)`, and the usual loop over
scikit-learn's GaussianMixture (four covariance types, K = 1 ... 9, the smallest BIC). mclust is
taken from the system; the others from an environment under benchmarks/.peers, or from --python. BIC
has scikit-learn's sign everywhere: smaller is better. The peers' answers are kept under
benchmarks/.peers/selection, keyed by the rows; --fresh runs them anew, and --time always does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from choosing import cells, curve, timing, truth
from choosing.datasets import real
from choosing.tools import Choice, Chooser, Setting, ToolFailed, Tools, Unavailable
from side_by_side.environment import Environments
from side_by_side.tools import InPython
from side_by_side.tools import tools as iteration_tools

HERE = Path(__file__).parent
TOOLS = ("ellimix", "mclust", "sklearn")
QUICK_SIZE = 20_000  # n d^2 of the real data in a quick run, at most
QUICK_TRUTH = (1, 2, 4, 6)  # features: with ten, mclust takes a minute now and then
QUICK_CURVE = (2, 4)
PICTURE = HERE.parent / "docs" / "images" / "selection.png"
QUICK_TIMES = ("iris", "faithful", "diabetes")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for part in ("cells", "truth", "time", "curve"):
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument("--data", nargs="+", help="names of data sets; with --cells and --time")
    parser.add_argument(
        "--large", action="store_true", help="all data, features: more than a quick run"
    )
    parser.add_argument("--seeds", type=int, default=1, help="problems of a kind, simulated")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 300], help="n, simulated")
    parser.add_argument("--features", type=int, nargs="+", help="d, simulated")
    parser.add_argument("--many", action="store_true", help="6 to 14 components, simulated")
    parser.add_argument("--n-init", nargs="+", default=["1", "10"], help="scikit-learn's, --truth")
    parser.add_argument("--plot", type=Path, default=PICTURE, help="the picture of --curve")
    parser.add_argument("--pairs", type=int, default=3, help="turns of each tool, with --time")
    parser.add_argument("--python", type=Path, help="an interpreter with ellimix, scikit-learn")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of one search at most")
    parser.add_argument("--fresh", action="store_true", help="nothing from the kept answers")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    return parser.parse_args()


def main() -> None:
    arguments = options()
    parts = {"cells": show_cells, "truth": show_truth, "time": show_times, "curve": show_curve}
    wanted = [name for name in parts if getattr(arguments, name)]
    if not wanted:
        raise SystemExit(f"Nothing to do: give one of {', '.join('--' + name for name in parts)}.")
    environments = Environments(HERE / ".peers")
    python = arguments.python or _python(environments)
    cache = None if arguments.fresh else HERE / ".peers" / "selection"
    tools = Tools(environments, python, arguments.limit, cache)
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    for name in wanted:
        parts[name](arguments, tools)


def _python(environments: Environments) -> Path:
    ours, _ = iteration_tools(HERE.parent, torch="")
    assert isinstance(ours.launcher, InPython)
    requirements = (*ours.launcher.requirements, "scikit-learn")
    return environments.python(ours.launcher.environment, requirements)


@contextmanager
def choosers(
    tools: Tools, settings: Sequence[Setting], *, cached: bool = True
) -> Iterator[list[Chooser]]:
    """The tools that run here, started; what does not is said."""
    with ExitStack() as stack:
        running = []
        for setting in settings:
            try:
                running.append(stack.enter_context(tools.chooser(setting, cached=cached)))
            except (Unavailable, ToolFailed) as error:
                print(f"\nNot run: {setting}: {error}", flush=True)
        yield running
        versions = {str(c.setting): c.versions for c in running}
        print("\nVersions:\n")
        for name, packages in versions.items():
            print(f"- {name}: " + ", ".join(f"{key} {value}" for key, value in packages.items()))


def settings(only: Sequence[str], n_init: Sequence[str]) -> list[Setting]:
    """Each tool, scikit-learn with each n_init."""
    return [
        setting
        for tool in TOOLS
        if tool in only
        for setting in (
            [Setting(tool, n) for n in n_init] if tool == "sklearn" else [Setting(tool)]
        )
    ]


def show_cells(arguments: argparse.Namespace, tools: Tools) -> None:
    """The part --cells."""
    data = chosen_data(arguments, tools, lambda _, x: x.size * x.shape[1] <= QUICK_SIZE)
    failures, record = [], []
    print(
        "\n| data | cells with a value | mclust chooses | BIC | seconds |\n|---|---:|---|---:|---:|"
    )
    with choosers(tools, settings(arguments.only, ["1", "10"])) as running:
        found: dict[tuple[str, str], Choice] = {}
        for name, rows in data.items():
            title = f"{name} {len(rows)} x {rows.shape[1]}"
            for chooser in running:
                try:
                    choice = chooser.choose(rows)
                except ToolFailed as error:
                    failures.append(f"{chooser.setting} on {title}: {error}")
                    continue
                found[str(chooser.setting), title] = choice
                if chooser.setting.tool == "mclust":
                    print(cells.mclust_line(title, choice), flush=True)
                record.append(_cells_record(str(chooser.setting), title, choice))
        for chooser in running:
            if chooser.setting.tool != "mclust":
                _against_mclust(str(chooser.setting), found)
        if failures:
            print("\nFailed:\n\n" + "\n".join(f"- {line}" for line in failures))
    _write(arguments.json, record)


def _against_mclust(tool: str, found: dict[tuple[str, str], Choice]) -> None:
    results = [
        cells.compared(title, found["mclust", title], choice)
        for (name, title), choice in found.items()
        if name == tool and ("mclust", title) in found
    ]
    if results:
        print("\n" + cells.HEADER.format(tool=tool))
        print("\n".join([*(result.line() for result in results), cells.total(results)]))
        if tool == "ellimix":
            print("\nWorse, or without a value (BIC, smaller is better):\n")
            print("\n".join(f"- {line}" for result in results for line in result.losses()))


def _cells_record(tool: str, title: str, choice: Choice) -> dict[str, object]:
    table = [[c.family, c.n_components, c.bic, c.status, c.reason] for c in choice.cells.values()]
    return {
        "tool": tool,
        "data": title,
        "seconds": choice.seconds,
        "chosen": choice.model,
        "bic": choice.bic,
        "cells": table,
    }


def show_truth(arguments: argparse.Namespace, tools: Tools) -> None:
    """The part --truth."""
    scores, failures = [], []
    with choosers(tools, settings(arguments.only, arguments.n_init)) as running:
        for problem in problems(arguments, QUICK_TRUTH):
            labelled = truth.from_labels(problem)
            scores += [] if labelled is None else [labelled]
            for chooser in running:
                try:
                    choice = chooser.choose(problem.rows, problem.case.most)
                except ToolFailed as error:
                    failures.append(f"{chooser.setting} on {problem.case}: {error}")
                    continue
                scores.append(truth.score(str(chooser.setting), problem, choice))
            _write(arguments.json, truth.record(scores))
        print("\n" + truth.table(scores) + "\n\n" + truth.by_group(scores))
        if failures:
            print("\nFailed:\n\n" + "\n".join(f"- {line}" for line in failures))


def problems(arguments: argparse.Namespace, quick: Sequence[int]) -> Iterator[truth.Problem]:
    """The simulated ones of the command line, said on standard error as they are made."""
    features = arguments.features or (truth.FEATURES if arguments.large else quick)
    given = arguments.rows, features, arguments.seeds
    for case in truth.cases(*given, many=arguments.many):
        print(case, file=sys.stderr, flush=True)
        yield truth.problem(case)


def show_curve(arguments: argparse.Namespace, tools: Tools) -> None:
    """The part --curve: the three real data sets of --time, and simulated ones."""
    wanted = [
        Setting(tool, extra)
        for tool, extras in {
            "ellimix": (*curve.BUDGETS, None),
            "mclust": (None,),
            "sklearn": curve.N_INIT,
        }.items()
        if tool in arguments.only
        for extra in extras
    ]
    data = {name: x for name, x in real(tools.environments).items() if name in QUICK_TIMES}
    # the first call of a process compiles and loads: it is not of the curve
    warm = data["iris"]
    simulated = {str(problem.case): problem.rows for problem in problems(arguments, QUICK_CURVE)}
    found = []
    with choosers(tools, wanted, cached=False) as running:
        for chooser in running:
            chooser.choose(warm)
        for name, rows in (data | simulated).items():
            for chooser in running:
                try:
                    choice = chooser.choose(rows)
                except ToolFailed as error:
                    print(f"\nFailed: {chooser.setting} on {name}: {error}", flush=True)
                    continue
                found.append(curve.Found(chooser.setting, name, choice.bic, choice.seconds))
    drawn = curve.points(found)
    print("\n" + curve.table(drawn))
    curve.draw(drawn, arguments.plot)
    _write(arguments.json, [asdict(f) for f in found])


def show_times(arguments: argparse.Namespace, tools: Tools) -> None:
    """The part --time."""
    data = chosen_data(arguments, tools, lambda name, _: name in QUICK_TIMES)
    with choosers(tools, settings(arguments.only, ["1"]), cached=False) as running:
        print("\n" + timing.header(running), flush=True)
        for name, rows in data.items():
            title = f"{name} {len(rows)} x {rows.shape[1]}"
            timed = timing.in_turn(running, rows, arguments.pairs)
            print(timing.line(title, timed), flush=True)


def chosen_data(
    arguments: argparse.Namespace, tools: Tools, quick: Callable[[str, np.ndarray], bool]
) -> dict[str, np.ndarray]:
    """The data sets of the command line."""
    data = real(tools.environments)
    if arguments.time:
        data = {name: data[name] for name in QUICK_TIMES if name in data} | timing.simulated()
    if arguments.data:
        unknown = set(arguments.data) - set(data)
        if unknown:
            raise SystemExit(f"No data {', '.join(sorted(unknown))}; there are {', '.join(data)}.")
        return {name: data[name] for name in arguments.data}
    return {name: x for name, x in data.items() if arguments.large or quick(name, x)}


def _write(path: Path | None, record: object) -> None:
    if path is not None:
        path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
