"""A fit that is gone on with ends with the bits of one that nothing came between."""

from __future__ import annotations

import errno
import json
import os
import resource
import warnings

import numpy as np
import pytest

import ellimix as em
from broken_fits import (
    CASES,
    Killed,
    check_same_bits,
    every_pass,
    fitted,
    killed_after,
    model,
    rows,
    said,
    weights,
    with_holes,
    write,
)
from ellimix import checkpoint as checkpoints
from ellimix.errors import CheckpointError, DataError, FitWarning

X = rows()


@pytest.mark.parametrize("case", CASES)
def test_rows_in_memory(case, tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    whole = fitted(model(case), X)
    for passes in (2, 7):
        with killed_after(monkeypatch, passes):
            fitted(model(case), X, checkpoint=every_pass(path), resume=True)
    check_same_bits(fitted(model(case), X, checkpoint=path, resume=True), whole)
    # and from the checkpoint of its end
    again = fitted(model(case), X, checkpoint=path, resume=True)
    check_same_bits(again, whole)
    assert "went on from" in again.report_.notes[-1]


@pytest.mark.parametrize("case", ["plain", "squarem", "starts", "noise", "held", "process"])
def test_a_file(case, tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    source = em.rows(write(tmp_path / "x.parquet", with_holes(X), weights()), weights="w", memory=0)
    # with "auto", rows this few go on without iterations on the sample
    whole = fitted(model(case), source)
    assert whole.n_iter_ > 6
    for passes in (1, 4):
        with killed_after(monkeypatch, passes):
            fitted(model(case), source, checkpoint=every_pass(path), resume=True)
    again = fitted(model(case), source, checkpoint=path, resume=True)
    check_same_bits(again, whole)
    assert sum("went on from" in note for note in again.report_.notes) == 1


def test_iterations_on_the_sample_are_not_made_again(tmp_path, monkeypatch):
    many = rows(12_000)
    monkeypatch.setattr("ellimix.sampling.FEWEST_ROWS", 600)
    monkeypatch.setattr("ellimix.sampling.ROWS_PER_COMPONENT", 100)
    monkeypatch.setattr("ellimix.sampling.ROWS_PER_PARAMETER", 1)
    source = em.rows(write(tmp_path / "x.parquet", many), memory=0)
    whole = fitted(model("plain", n_init=3), source)
    assert any("first" in note and "sample" in note for note in whole.report_.notes)
    assert len(whole.reports_) == 3
    path = tmp_path / "run.json"
    with killed_after(monkeypatch, 1):
        fitted(model("plain", n_init=3), source, checkpoint=every_pass(path))
    monkeypatch.setattr("ellimix.estimators.running.begun", None)  # not to be called
    check_same_bits(fitted(model("plain", n_init=3), source, checkpoint=path, resume=True), whole)


def test_a_generator_is_brought_to_where_it_stood(tmp_path, monkeypatch):
    path, case = tmp_path / "run.json", "moves"
    source = em.rows(write(tmp_path / "x.parquet", X), memory=0)
    one, other = np.random.RandomState(5), np.random.RandomState(5)
    whole = fitted(model(case, random_state=one), source)
    with killed_after(monkeypatch, 3):
        fitted(model(case, random_state=other), source, checkpoint=every_pass(path))
    new = np.random.RandomState(99)
    check_same_bits(
        fitted(model(case, random_state=new), source, checkpoint=path, resume=True), whole
    )
    assert new.randint(2**31) == one.randint(2**31)


def test_a_search(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    source = em.rows(write(tmp_path / "x.parquet", X), memory=0)

    def search(**more):
        asked = {"families": ["EEE", "VVI"], "n_components": [2, 3], "random_state": 0, **more}
        asked = {"engine": "numpy", **asked}
        return em.GaussianMixtureSearch(**asked)

    whole = fitted(search(), source)
    with killed_after(monkeypatch, 2):
        fitted(search(), source, checkpoint=every_pass(path))
    again = fitted(search(), source, checkpoint=path, resume=True)
    check_same_bits(again.best_, whole.best_)
    for one, other in zip(again.cells_, whole.cells_, strict=True):
        assert one.log_likelihood == other.log_likelihood
    assert any("went on from" in note for note in again.notes_)
    with pytest.raises(CheckpointError, match=r"n_components was .* and is"):
        search(n_components=[2]).fit(source, checkpoint=path, resume=True)
    with pytest.raises(DataError, match="random_state that is a number"):
        search(random_state=None).fit(source, checkpoint=tmp_path / "other.json")
    with pytest.raises(DataError, match="keeps no checkpoint"):
        search().fit(X, checkpoint=tmp_path / "other.json")
    with pytest.raises(DataError, match="keeps no checkpoint"):
        em.GaussianMixture("auto").fit(X, checkpoint=tmp_path / "other.json")


def test_interrupted_at_the_keyboard(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    calls = []

    def interrupting(progress):
        calls.append(progress)
        if len(calls) == 6:
            raise KeyboardInterrupt

    source = em.rows(lambda: iter([X[:900], X[900:]]), memory=0)
    whole = fitted(model("squarem"), source)
    with pytest.warns(FitWarning, match="interrupted"):
        part = model("squarem").fit(
            source.watched(interrupting), checkpoint=em.Checkpoint(path, every_passes=100)
        )
    assert part.n_iter_ == 4  # one pass to look, four iterations, one cut short
    check_same_bits(fitted(model("squarem"), source, checkpoint=path, resume=True), whole)


# -- which fit a checkpoint is of ----------------------------------------------------------------


def kept(tmp_path, monkeypatch, **arguments):
    """A checkpoint of a fit that was killed after three passes."""
    path = tmp_path / "run.json"
    with killed_after(monkeypatch, 3):
        fitted(model("plain"), X, checkpoint=every_pass(path), **arguments)
    return path


@pytest.mark.parametrize(
    ("other", "Z", "said"),
    [
        ({"n_components": 4}, X, "n_components was 3 and is 4"),
        ({"covariance_type": "EEE"}, X, "covariance_type was 'full' and is 'EEE'"),
        ({"reg_covar": 1e-3}, X, "reg_covar was 1e-06 and is 0.001"),
        ({"prior": "default"}, X, "prior was None and is 'default'"),
        ({"random_state": 4}, X, "random_state was 3 and is 4"),
        ({"means_init": np.zeros((3, 3))}, X, "means_init was None and is 'array"),
        ({}, X[:-1], r"number of rows was 1500 and is 1499"),
        ({}, X[::-1].copy(), "values was"),
        ({}, X[:, :2].copy(), "columns was 3 and is 2"),
        ({}, X.astype(np.float32), "type of values was 'float64' and is 'float32'"),
    ],
)
def test_another_fit(other, Z, said, tmp_path, monkeypatch):
    path = kept(tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match=said) as caught:
        model("plain").set_params(**other).fit(Z, checkpoint=path, resume=True)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_kind_of_estimator(tmp_path, monkeypatch):
    path = kept(tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match="estimator was 'GaussianMixture' and is 'Bayesian"):
        em.BayesianGaussianMixture(3).fit(X, checkpoint=path, resume=True)


def test_other_rows_outside_of_memory(tmp_path, monkeypatch):
    path, data = tmp_path / "run.json", tmp_path / "x.parquet"
    write(data, X)
    with killed_after(monkeypatch, 2):
        fitted(model("plain"), em.rows(data, memory=0), checkpoint=every_pass(path))
    write(data, X + np.array([0.0, 0.0, 1e-9]))
    with pytest.raises(CheckpointError, match="values was"):
        model("plain").fit(em.rows(data, memory=0), checkpoint=path, resume=True)
    write(data, X)
    with pytest.raises(CheckpointError, match=r"columns was 'a, b, c' and is 'b, a, c'"):
        model("plain").fit(
            em.rows(data, columns=["b", "a", "c"], memory=0), checkpoint=path, resume=True
        )


def test_verbose_changes_nothing(tmp_path, monkeypatch, capsys):
    path = kept(tmp_path, monkeypatch)
    fitted(model("plain", verbose=2), X, checkpoint=path, resume=True)
    assert "Initialization" in capsys.readouterr().out


def test_a_fit_that_has_not_ended_is_not_lost(tmp_path, monkeypatch):
    path = kept(tmp_path, monkeypatch)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="has not ended, after 3 passes: pass resume=True"):
        model("plain").fit(X, checkpoint=path)
    assert path.read_bytes() == before
    fitted(model("plain"), X, checkpoint=path, resume=True)  # to its end
    fitted(em.GaussianMixture(2, random_state=0), X, checkpoint=path)  # which may be replaced


def test_resume_without_a_file_begins_anew_and_says_so(tmp_path):
    path = tmp_path / "run.json"
    new = fitted(model("plain"), X, checkpoint=path, resume=True)
    assert new.report_.notes[-1] == f"There was no checkpoint {path}: the fit began anew."
    assert np.array_equal(new.means_, fitted(model("plain"), X).means_)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resume": True}, "resume=True needs checkpoint="),
        ({"checkpoint": 3}, "checkpoint is a int: pass a path or a Checkpoint"),
        ({"checkpoint": "no/such/run.json"}, "The folder no/such of the checkpoint does not"),
        ({"checkpoint": "."}, "is a folder"),
    ],
)
def test_arguments(given, said):
    with pytest.raises(DataError, match=said):
        em.GaussianMixture().fit(X, **given)


@pytest.mark.parametrize(
    "given", [{"every_passes": 0}, {"every_minutes": -1.0}, {"every_minutes": None}]
)
def test_how_often(given):
    with pytest.raises(DataError, match=r"checkpoint"):
        em.Checkpoint("run.json", **given)


def test_how_often_it_is_written(tmp_path, monkeypatch):
    seen = []
    real = checkpoints.write
    monkeypatch.setattr(
        "ellimix.estimators.checkpointing.write",
        lambda place, saved: (seen.append(saved.fits.passes), real(place, saved)),
    )
    seven = {"max_iter": 7, "tol": 0.0}
    fitted(model("plain", **seven), X, checkpoint=em.Checkpoint(tmp_path / "a.json", 3))
    assert seen == [0, 3, 6, 7]
    seen.clear()
    fitted(model("plain", **seven), X, checkpoint=tmp_path / "b.json")
    assert seen == [0, 7]  # within a minute
    seen.clear()
    soon = em.Checkpoint(tmp_path / "c.json", every_minutes=1e-9)
    fitted(model("plain", **seven), X, checkpoint=soon)
    assert seen == list(range(8))


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 30, 0.5, -1])
def test_a_file_cut_short_and_the_one_before(cut, tmp_path, monkeypatch):
    path = kept(tmp_path, monkeypatch)
    data = path.read_bytes()
    length = int(cut * len(data)) if isinstance(cut, float) else cut % len(data)
    path.write_bytes(data[:length])
    again = fitted(model("plain"), X, checkpoint=path, resume=True)
    assert "run.json.previous, after 2 passes" in again.report_.notes[-1]
    whole = fitted(model("plain"), X)
    assert again.lower_bounds_ == whole.lower_bounds_


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"passes":3', '"passes":4'), "cut short or changed"),
        (lambda text: "{}", "is no checkpoint"),
        (lambda text: "\x00\x01", "is no checkpoint"),
        (lambda text: signed(text, version=9), "its version is 9, and this release reads 1"),
        (lambda text: signed(text, state={"nodes": [], "root": 3}), "is not a sound checkpoint"),
        (
            lambda text: signed(text, state={"nodes": [{"record": "Path", "parts": {}}]}),
            "is not a sound checkpoint: 'Path'",
        ),
    ],
)
def test_a_damaged_file(change, said, tmp_path, monkeypatch):
    path = kept(tmp_path, monkeypatch)
    (tmp_path / "run.json.previous").unlink()
    path.write_text(change(path.read_text()))
    with pytest.raises(CheckpointError, match=said) as caught:
        model("plain").fit(X, checkpoint=path, resume=True)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match=said):  # and nothing of it is written over
        model("plain").fit(X, checkpoint=path)


def signed(text, **changes):
    """A checkpoint with other parts, and the digest that belongs to them."""
    document = {**json.loads(text), **changes}
    del document["sha256"]
    body = json.dumps(document, separators=(",", ":"))[:-1]
    return f'{body},"sha256":"{checkpoints._digest(body)}"}}\n'


@pytest.mark.parametrize("place", ["write", "fsync", "link", "previous", "file"])
def test_killed_while_it_writes(place, tmp_path, monkeypatch):
    """At each step of the third write: what is there then is whole, and is gone on from."""
    path, count = tmp_path / "run.json", [0]

    def dying(real, match):
        def call(*arguments, **more):
            if match(*arguments):
                count[0] += 1
                if count[0] == 3:
                    raise Killed
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patched:
        if place == "write":
            patched.setattr(checkpoints, "text_of", dying(checkpoints.text_of, lambda *_: True))
        elif place in ("fsync", "link"):
            patched.setattr(os, place, dying(getattr(os, place), lambda *_: True))
        else:
            end = ".previous" if place == "previous" else ".json"
            patched.setattr(os, "replace", dying(os.replace, lambda _, to: str(to).endswith(end)))
        with pytest.raises(Killed):
            fitted(model("plain"), X, checkpoint=every_pass(path))
    assert checkpoints.read_file(path).fits.passes >= 1
    check_same_bits(
        fitted(model("plain"), X, checkpoint=path, resume=True), fitted(model("plain"), X)
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.json", "run.json.previous"]


def test_a_full_disk(tmp_path, monkeypatch):
    """The fit goes on, and the checkpoint before is as it was."""
    path, whole = tmp_path / "run.json", fitted(model("plain"), X)
    with killed_after(monkeypatch, 3):
        fitted(model("plain"), X, checkpoint=every_pass(path))
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patched.setattr(os, "fsync", full)
        check_same_bits(model("plain").fit(X, checkpoint=every_pass(path), resume=True), whole)
    (text,) = [str(w.message) for w in caught if "could not be written" in str(w.message)]
    assert str(path) in text
    assert "No space left on device" in text
    assert path.read_bytes() == before
    assert not (tmp_path / "run.json.new").exists()
    check_same_bits(fitted(model("plain"), X, checkpoint=path, resume=True), whole)


def test_a_write_that_the_system_refuses(tmp_path):
    """A limit on the size of files: a true error of the operating system in the middle of one."""
    path, whole = tmp_path / "run.json", fitted(model("plain"), X)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        with pytest.warns(FitWarning, match=r"run\.json could not be written .*there is none yet"):
            model("plain").fit(X, checkpoint=every_pass(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        assert fitted(model("plain"), X, checkpoint=path).lower_bounds_ == whole.lower_bounds_
    assert said(whole.report_) == []


def test_a_full_disk_names_the_file_of_a_model(tmp_path):
    path = tmp_path / "model.json"
    mixture = fitted(model("plain"), X).mixture_
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match=r"model\.json"):
            em.save(mixture, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
