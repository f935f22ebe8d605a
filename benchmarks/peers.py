"""Time of an EM iteration, ours and other tools', in turn in one run.

    python benchmarks/peers.py                     the table's shapes, all peers
    python benchmarks/peers.py --shapes quick      small shapes
    python benchmarks/peers.py --peers oneDAL,scikit-learn --plot peers.png --json peers.json

The peers are installed on first use in environments of their own under benchmarks/.peers;
Armadillo and mclust are taken from the system, where it has them. Each tool runs in a process of
its own on the same rows and from the same weights, means and covariances, with no tolerance and no
regularisation. An iteration's time is (T(high) - T(low)) / (high - low); ours and a peer take
turns, and a ratio is the median of the pairs' ratios. What does not run is listed with the reason;
numbers that do not agree make the exit status 1.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from side_by_side import tables
from side_by_side.compare import Bench, ShapeResult, run
from side_by_side.environment import Environments
from side_by_side.shapes import SETS, shapes
from side_by_side.tools import chosen, matrix_product, tools

HERE = Path(__file__).parent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", choices=[*SETS], default="table")
    parser.add_argument(
        "--only", default="", help="shapes with one of these texts, semicolons between"
    )
    parser.add_argument("--peers", help="names with commas between; all without it")
    parser.add_argument("--pairs", type=int, default=5, help="turns of each peer")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this file")
    parser.add_argument("--target", type=float, default=0.3, help="seconds to time at least")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds of one fit at most")
    parser.add_argument("--torch", default="2.13.0", help="version of PyTorch for its peers")
    return parser.parse_args()


def main() -> None:
    arguments = options()
    ours, peers = tools(HERE.parent, arguments.torch)
    if arguments.peers is not None:
        peers = chosen(arguments.peers.split(","), peers)
    bench = Bench(
        Environments(HERE / ".peers"),
        ours,
        peers,
        matrix_product(),
        pairs=arguments.pairs,
        target=arguments.target,
        limit=arguments.limit,
    )
    names = [peer.name for peer in peers]
    print(tables.header(names), flush=True)

    def show(result: ShapeResult) -> None:
        print(tables.line(result), flush=True)

    wanted = [
        shape
        for shape in shapes(arguments.shapes, arguments.dtype)
        if any(text in str(shape) for text in arguments.only.split(";"))
    ]
    results = list(run(bench, wanted, show))
    if arguments.json:
        content = tables.record(results, bench.versions)
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    if arguments.plot:
        from side_by_side.chart import draw

        draw(results, names, arguments.plot)
    finish(results, bench.versions)


def finish(results: list[ShapeResult], versions: dict[str, dict[str, str]]) -> None:
    sections = {
        "Agreement with ellimix in float64, worst over the shapes:": tables.agreements(results),
        "Not run:": tables.reasons(results),
        "DISAGREE:": tables.disagreements(results),
        "Versions:": tables.versions(versions),
    }
    for title, lines in sections.items():
        if lines:
            print("\n" + title + "\n\n" + "\n".join(f"- {text}" for text in lines))
    if sections["DISAGREE:"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
