"""The command ``ellimix``: ``pip install 'ellimix[cli]'``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit: 0 done, 2 something was wrong with what was asked."""
    try:
        from ellimix.cli.app import run
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        if package not in ("cyclopts", "rich"):
            raise
        message = f"ellimix: the command line needs '{package}': pip install 'ellimix[cli]'"
        print(message, file=sys.stderr)
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))
