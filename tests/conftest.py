"""One BLAS thread a process: tests run in parallel, and threads of threads wait for each other.

And the command line, as a fixture.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

np.linalg.inv(np.eye(2))  # BLAS is loaded before it is limited
threadpool_limits(1, user_api="blas")


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder: exit code, standard output, standard error."""
    from ellimix.cli.app import run

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
