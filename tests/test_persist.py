"""Saved mixtures: exact round trips, and one clear error for every bad file."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ellimix as em
from ellimix.errors import ModelFileError
from ellimix.persist import write_beside

IRIS, NAMES = em.datasets.iris()


def bits(array):
    return np.ascontiguousarray(array).view(np.uint64).tolist()


@pytest.mark.parametrize("family", em.FAMILIES)
def test_round_trip_is_exact(family, tmp_path):
    model = em.GaussianMixture(3, covariance_type=family, random_state=0, max_iter=500)
    model.fit(IRIS * np.pi)
    path = tmp_path / "model.json"
    model.save(path)
    loaded = em.load(path)
    for read in (
        lambda m: m.weights,
        lambda m: m.means,
        lambda m: m.covariance.values,
        lambda m: m.covariance.factor,
    ):
        assert bits(read(loaded)) == bits(read(model.mixture_))
    assert loaded.family.name == family
    np.testing.assert_array_equal(loaded.log_density(IRIS), model.mixture_.log_density(IRIS))
    again = em.GaussianMixture.load(path)
    np.testing.assert_array_equal(again.predict(IRIS), model.predict(IRIS))


def test_feature_names_are_kept(tmp_path):
    import pandas as pd

    table = pd.DataFrame(IRIS, columns=["a", "b", "c", "δ"])
    em.GaussianMixture(2, random_state=0).fit(table).save(tmp_path / "m.json")
    loaded = em.GaussianMixture.load(tmp_path / "m.json")
    assert em.load(tmp_path / "m.json").feature_names == ("a", "b", "c", "δ")
    assert loaded.predict(table).shape == (150,)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(table.rename(columns={"a": "z"}))


@given(scale=st.floats(1e-100, 1e100), shift=st.floats(-1e100, 1e100))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_any_finite_numbers_round_trip(scale, shift, tmp_path_factory):
    mixture = em.Mixture.from_parameters([1.0], [[shift]], [scale], family="V")
    path = tmp_path_factory.getbasetemp() / "any.json"
    em.save(mixture, path)
    loaded = em.load(path)
    assert bits(loaded.means) == bits(mixture.means)
    assert bits(loaded.covariance.values) == bits(mixture.covariance.values)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.json"
    em.GaussianMixture(2, random_state=0).fit(IRIS).save(path)
    return json.loads(path.read_text(encoding="utf-8"))


def edited(document, *steps):
    out = copy.deepcopy(document)
    *way, value = steps
    place = out
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    return out


BAD = {
    "another schema": (("schema", "other"), "schema"),
    "a newer version": (("version", 2), "version"),
    "version true": (("version", True), "version"),
    "an unknown family": (("family", "ABC"), "family"),
    "a family of other shape": (("family", "EII"), "covariances"),
    "a weight too much": (("weights", [0.5, 0.3, 0.2]), "weights"),
    "negative weights": (("weights", [1.5, -0.5]), "weights"),
    "weights that do not sum to 1": (("weights", [0.5, 0.6]), "weights"),
    "a text for a number": (("means", 0, 0, "1.0"), "means"),
    "a truth value for a number": (("means", 0, 0, True), "means"),
    "a ragged list": (("means", 0, [1.0]), "means"),
    "an object": (("means", {"a": 1}), "means"),
    "nothing": (("means", None), "means"),
    "a huge whole number": (("means", 0, 0, 10**400), "means"),
    "no rows": (("means", []), "means"),
    "an asymmetric covariance": (("covariances", 0, 0, 1, 9.0), "symmetric"),
    "a covariance that is not positive": (("covariances", 0, 0, 0, -1.0), "positive definite"),
    "factors of other covariances": (("precision_factors", 0, 0, 0, 77.0), "belong"),
    "factors below the diagonal": (("precision_factors", 0, 1, 0, 0.5), "triangular"),
    "names too few": (("feature_names", ["a"]), "feature_names"),
    "names twice": (("feature_names", ["a", "a", "b", "c"]), "feature_names"),
    "names that are numbers": (("feature_names", [1, 2, 3, 4]), "feature_names"),
}


@pytest.mark.parametrize(("steps", "words"), BAD.values(), ids=BAD)
def test_bad_documents_get_one_error(document, tmp_path, steps, words):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(edited(document, *steps)), encoding="utf-8")
    with pytest.raises(ModelFileError, match=words) as caught:
        em.load(path)
    assert "bad.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["schema", "version", "family", "weights", "precision_factors"])
def test_missing_keys(document, tmp_path, key):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({k: v for k, v in document.items() if k != key}), encoding="utf-8")
    with pytest.raises(ModelFileError, match=key):
        em.load(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-Infinity"])
def test_numbers_that_are_not_finite(document, tmp_path, number):
    path = tmp_path / "bad.json"
    text = json.dumps(edited(document, "means", 0, 0, 424242))
    path.write_text(text.replace("424242", number), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"NaN|Infinity|infinite"):
        em.load(path)


def test_a_file_cut_anywhere_is_refused(document, tmp_path):
    path = tmp_path / "cut.json"
    text = json.dumps(document)
    for length in range(0, len(text) - 1, 97):
        path.write_text(text[:length], encoding="utf-8")
        with pytest.raises(ModelFileError):
            em.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[1, 2]", b"3", b"[" * 100_000, b"1" * 10_000, b"\x80pickle"]
)
def test_files_that_are_something_else(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        em.load(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        em.load(tmp_path / "none.json")


def test_what_stood_there_survives_a_failed_write(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("precious", encoding="utf-8")

    def fail(name):
        Path(name).write_text("half", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_beside(path, fail)
    assert path.read_text(encoding="utf-8") == "precious"
    assert os.listdir(tmp_path) == ["model.json"]
