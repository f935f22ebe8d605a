"""The tools that are compared. A new one is a worker and an entry here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, final

from side_by_side.environment import Environments, Unavailable, last_line
from side_by_side.shapes import Shape

WORKERS: Final = Path(__file__).parents[1] / "workers"
ALL_KINDS: Final = frozenset({"full", "tied", "diag", "spherical"})
BOTH: Final = ("float64", "float32")
UNTOLD: Final = 60


class Launcher(Protocol):
    """How a tool's worker is got ready and called."""

    def prepare(self, environments: Environments) -> list[str]:
        """Install or compile what is missing: the command's beginning. Raises `Unavailable`."""
        ...

    def arguments(self, shape: Shape) -> list[str]:
        """What follows FOLDER and the precision on the command line."""
        ...


@final
@dataclass(frozen=True)
class InPython:
    """A worker in a virtual environment; tools of one stack share an environment."""

    environment: str
    worker: str
    requirements: tuple[str, ...]

    def prepare(self, environments: Environments) -> list[str]:
        python = environments.python(self.environment, self.requirements)
        return [str(python), str(WORKERS / self.worker)]

    def arguments(self, shape: Shape) -> list[str]:  # noqa: ARG002
        return []


@final
@dataclass(frozen=True)
class Compiled:
    """A worker in C++, compiled for this machine."""

    worker: str
    libraries: tuple[str, ...]

    def prepare(self, environments: Environments) -> list[str]:
        compiler = shutil.which("g++")
        if compiler is None:
            raise Unavailable("there is no g++")
        environments.folder.mkdir(parents=True, exist_ok=True)
        source, program = WORKERS / self.worker, environments.folder / Path(self.worker).stem
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            options = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-o", str(program)]
            command = [compiler, *options, str(source), *self.libraries]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if "error" in line]
                raise Unavailable(f"does not compile: {(errors or ['no message'])[0]}")
        return [str(program)]

    def arguments(self, shape: Shape) -> list[str]:
        return [str(shape.n), str(shape.d), str(shape.k), shape.kind]


@final
@dataclass(frozen=True)
class InR:
    """A worker in R, where the machine has R and the package."""

    worker: str
    package: str

    def prepare(self, environments: Environments) -> list[str]:  # noqa: ARG002
        program = shutil.which("Rscript")
        if program is None:
            raise Unavailable("there is no Rscript")
        probe = [program, "-e", f"suppressMessages(library({self.package}))"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(last_line(done.stderr))
        return [program, str(WORKERS / self.worker)]

    def arguments(self, shape: Shape) -> list[str]:
        return [str(shape.n), str(shape.d), str(shape.k), shape.kind]


@final
@dataclass(frozen=True)
class Tool:
    """A tool and what it can do.

    `tolerance` is how far its parameters may be from ours (`agreement.distance`) in each precision;
    `given_start` is whether it can begin from given weights, means and covariances, `most` how many
    iterations it is run for: few where it stops at a fixed point and does not tell. `recompiles` is
    whether it compiles anew for each number of iterations. `missing` are the kinds for which it
    takes missing values; `own_steps` says that with them its iterations are others than EM's.
    """

    name: str
    launcher: Launcher
    kinds: frozenset[str]
    dtypes: tuple[str, ...]
    weighted: bool = False
    given_start: bool = True
    most: int = 5_000
    recompiles: bool = False
    missing: frozenset[str] = frozenset()
    own_steps: bool = False
    tolerance: dict[str, float] = field(default_factory=lambda: {"float64": 1e-8, "float32": 1e-3})

    def dtype(self, shape: Shape) -> str:
        """The precision it runs a shape in: the shape's, or the only one it has."""
        return shape.dtype if shape.dtype in self.dtypes else self.dtypes[0]

    def refusal(self, shape: Shape) -> str | None:
        """Why it cannot run a shape, or None."""
        if shape.kind not in self.kinds:
            return f"no {shape.kind} covariances"
        if shape.missing and shape.kind not in self.missing:
            return f"no missing values with {shape.kind} covariances"
        if shape.weighted and not self.weighted:
            return "no row weights"
        if shape.dtype == "float32" and "float32" not in self.dtypes:
            return "no float32"
        return None


def tools(root: Path, torch: str) -> tuple[Tool, list[Tool]]:
    """Ours, from the checkout at `root`, and its peers."""
    python = InPython
    torch_first = (f"torch=={torch}",)
    loose = {"float64": 1e-8, "float32": 5e-2}  # float32 sums over all rows lose digits with n
    ours = Tool(
        "ellimix",
        python("main", "fit_ellimix.py", (f"-e {shlex.quote(str(root))}",)),
        ALL_KINDS,
        BOTH,
        weighted=True,
        missing=ALL_KINDS,
        tolerance={"float64": 0.0, "float32": 1e-4},
    )
    full_or_diagonal = frozenset({"full", "diag"})
    peers = [
        Tool(
            "scikit-learn",
            python("main", "fit_sklearn.py", ("scikit-learn",)),
            ALL_KINDS,
            BOTH,
            tolerance=loose,
        ),
        Tool(
            "oneDAL",
            python("main", "fit_onedal.py", ("scikit-learn-intelex",)),
            full_or_diagonal,
            BOTH,
            tolerance=loose,
        ),
        Tool(
            "tgmm",
            python("torch", "fit_tgmm.py", (*torch_first, "tgmm")),
            ALL_KINDS,
            BOTH,
            weighted=True,
            tolerance=loose,
        ),
        Tool(
            "pomegranate",
            python("torch", "fit_pomegranate.py", (*torch_first, "pomegranate")),
            full_or_diagonal,
            BOTH,
            weighted=True,
            missing=frozenset({"diag"}),  # masked tensors have no matrix product
            own_steps=True,  # its M-step takes the observed values alone
            tolerance=loose,
        ),
        Tool(
            "pygmmis",
            python("deconvolution", "fit_pygmmis.py", ("pygmmis",)),
            frozenset({"full"}),
            ("float64",),
            missing=frozenset({"full"}),  # values with an error variance of 2e10
            own_steps=True,  # from the first covariances on; its fixed points are ours
        ),
        Tool(
            "torchgmm",
            python("torch", "fit_torchgmm.py", (*torch_first, "torchgmm")),
            ALL_KINDS,
            ("float32",),
            given_start=False,
        ),
        Tool(
            "gmmx",
            python("jax", "fit_gmmx.py", ("gmmx",)),
            full_or_diagonal,
            ("float32",),
            recompiles=True,
        ),
        Tool(
            "mlpack",
            python("mlpack", "fit_mlpack.py", ("mlpack",)),
            full_or_diagonal,
            ("float64",),
            given_start=False,
            most=UNTOLD,
        ),
        Tool(
            "Armadillo",
            Compiled("fit_armadillo.cpp", ("-larmadillo",)),
            full_or_diagonal,
            ("float64",),
            most=UNTOLD,
        ),
        Tool("mclust", InR("fit_mclust.R", "mclust"), ALL_KINDS, ("float64",)),
    ]
    return ours, peers


def matrix_product() -> Tool:
    """The machine's dgemm or sgemm, in the environment of ours."""
    launcher = InPython("main", "dgemm.py", ("numpy",))
    return Tool(
        "dgemm", launcher, ALL_KINDS, BOTH, weighted=True, given_start=False, missing=ALL_KINDS
    )


def chosen(names: Sequence[str], peers: list[Tool]) -> list[Tool]:
    """Peers by name; upper and lower case are one."""
    by_name = {tool.name.lower(): tool for tool in peers}
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        known = ", ".join(tool.name for tool in peers)
        raise SystemExit(f"No peer {', '.join(unknown)}; there are {known}.")
    return [by_name[name.lower()] for name in names]
