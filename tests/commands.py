"""What tests of commands share."""


def refused(result, *words):
    """One sentence on standard error, exit code 2, and nothing else."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("ellimix: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
