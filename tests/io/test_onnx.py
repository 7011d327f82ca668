import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, PaddedSets, RaggedSets, SetPadder
from sk_deepsets.io import to_onnx
from sk_deepsets.io._onnx import FIRST_TORCH, description
from tests.models import CASES, FRAME, PACK, SETS, SINGLE, VALUE, MeanNet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
if torch.__version__ < FIRST_TORCH:
    pytest.skip(f"to_onnx needs torch {FIRST_TORCH}", allow_module_level=True)

ALL_POOLS = {"pool_type": ("sum", "mean", "max", "min", "std", "attention")}


def exported(estimator, tmp_path):
    to_onnx(estimator, tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(tmp_path / "model.onnx", options)


def feed_of(estimator, X, extra=0):
    """Sets as the program takes them, with some more filling, which is NaN."""
    sets = estimator._read_sets(X)  # numbers, and codes of categories
    padded = PaddedSets.from_ragged(sets, int(sets.sizes.max()) + extra, np.nan)
    feed = {"x": padded.values.astype(np.float64), "mask": padded.mask}
    return feed if sets.context is None else {**feed, "context": sets.context.astype(np.float64)}


def assert_says_the_same(estimator, session, X):
    method, name = ("predict_proba", "probabilities") if hasattr(estimator, "classes_") else ("predict", "values")
    wanted = getattr(estimator, method)(X)
    for extra in (0, 3):
        feed = feed_of(estimator, X, extra)
        (found,) = session.run([name], feed)
        if isinstance(wanted, list):
            assert not found[~feed["mask"]].any()
            found, flat = found[feed["mask"]], np.concatenate(wanted)
        else:
            flat = wanted
        assert found.shape == flat.shape
        assert flat.std() > 1e-3
        np.testing.assert_allclose(found, flat, rtol=1e-5, atol=1e-5)


MODELS = {
    "all pools": (DeepSetsClassifier, {**SINGLE, **ALL_POOLS, "fusion_type": "film"}, "single-context-film"),
    "equivariant": (
        DeepSetsRegressor,
        {**SINGLE, "fusion_type": "add", "encoder": "equivariant"},
        "single-context-add",
    ),
    "default pack": (DeepSetsClassifier, {"max_epochs": 10, "random_state": 0}, "default"),
    "pack of counts": (DeepSetsRegressor, {**PACK, "loss": "poisson", "fusion_type": "film"}, "pack-context-film"),
    "labels": (DeepSetsClassifier, {**SINGLE, **ALL_POOLS}, "single-labels"),
    "several outputs": (DeepSetsRegressor, SINGLE, "several-outputs"),
    **{name: (None, {}, name) for name in ("each", "one-per-set", "listnet", "element-values", "element-context")},
    **{f"element-{loss}": (None, {}, f"element-{loss}") for loss in ("poisson", "gamma", "quantile")},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_program_says_what_the_estimator_says(name, tmp_path):
    cls, options, case = MODELS[name]
    make, X, y = CASES[case]
    model = make() if cls is None else cls(**options)
    model.fit(X, y)
    session = exported(model, tmp_path)
    told = session.get_modelmeta().custom_metadata_map["sk_deepsets"]
    assert json.loads(told) == json.loads(json.dumps(description(model), default=str))
    assert_says_the_same(model, session, X)
    if X is SETS and isinstance(model, DeepSetsClassifier | DeepSetsRegressor):
        (found,) = session.run(None, {"x": np.full((2, 3, 3), np.nan), "mask": np.zeros((2, 3), dtype=bool)})
        empty = [np.empty((0, 3))] * 2
        wanted = model.predict_proba(empty) if hasattr(model, "classes_") else model.predict(empty)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    one, few = (X.iloc[[5]], X.iloc[:9]) if hasattr(X, "iloc") else ([X[5]], X[:9])
    for part in (few, one):
        (found,) = session.run(None, feed_of(model, part))
        (whole,) = session.run(None, feed_of(model, X))
        if isinstance(model, DeepSetsClassifier | DeepSetsRegressor):
            np.testing.assert_allclose(found, whole[:9] if part is few else whole[5:6], rtol=1e-5, atol=1e-6)


def test_codes_of_no_category_are_unknown(tmp_path):
    table = pd.DataFrame({"kind": pd.Categorical(list("abc") * 20), "price": np.arange(60.0)})
    context = pd.DataFrame({"age": np.arange(20.0), "town": list("de") * 10})
    sets = RaggedSets(table, np.arange(0, 61, 3), context=context)
    model = DeepSetsClassifier(n_members=1, max_epochs=3, random_state=0).fit(sets, np.arange(20) % 2)
    session = exported(model, tmp_path)

    def says(code, town):
        feed = {"x": np.array([[[1.0, code]]]), "mask": np.array([[True]]), "context": np.array([[4.0, town]])}
        return session.run(None, feed)[0]

    wanted = says(0, 0)
    assert np.abs(says(3, 0) - wanted).max() > 1e-3
    assert np.abs(says(0, 2) - wanted).max() > 1e-3
    for code in (-1, 1.5, 4, np.nan, np.inf, -np.inf, 1e30):
        np.testing.assert_array_equal(says(code, 0), wanted)
        np.testing.assert_array_equal(says(0, code), wanted)


def test_a_default_device_of_the_user_is_left_aside(fitted, tmp_path):
    case, model = fitted("single-mean")
    with torch.device("meta"):
        session = exported(model, tmp_path)
    assert_says_the_same(model, session, case.X)


def test_a_large_offset_keeps_its_digits(tmp_path):
    stamps = [1.7e9 + one for one in SETS]
    model = DeepSetsRegressor(**SINGLE).fit(stamps, VALUE)
    assert_says_the_same(model, exported(model, tmp_path), stamps)


def test_the_description_has_columns_categories_and_classes(fitted):
    _, model = fitted("single-context-concat")
    told = description(model)
    assert told["classes"] == [0, 1]
    assert [column["name"] for column in told["columns"]] == ["amount", "kind", "code", "size", "day", "text"]
    categories = {column["name"]: column["categories"] for column in told["columns"] + told["context"]}
    assert categories["amount"] is categories["age"] is None
    assert sorted(categories["kind"]) == ["cup", "pot", "tea"]
    # codes by hand, from the description alone
    place = [column["name"] for column in told["columns"]].index("kind")
    kinds = FRAME["sets"].iloc[1]["kind"]
    codes = [categories["kind"].index(kind) + 1 for kind in kinds]
    np.testing.assert_array_equal(feed_of(model, FRAME)["x"][1, : len(kinds), place], codes)
    _, model = fitted("several-outputs")
    assert description(model) == {"columns": [{"name": place, "categories": None} for place in range(3)]}


def test_what_cannot_be_exported_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    with pytest.raises(NotFittedError):
        to_onnx(DeepSetsClassifier(), path)
    with pytest.raises(TypeError, match=r"got Pipeline\. Of a pipeline, export the last step"):
        to_onnx(make_pipeline(SetPadder(), DeepSetsClassifier()), path)
    for options in (SINGLE, PACK):
        with pytest.raises(TypeError, match="module of your own"):
            to_onnx(DeepSetsRegressor(**options, module=MeanNet).fit(SETS, VALUE), path)
    model = DeepSetsRegressor(**SINGLE).fit(SETS, VALUE)
    monkeypatch.setattr("sk_deepsets.io._onnx.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs onnx and onnxscript: pip install "sk-deepsets\[onnx\]"'):
        to_onnx(model, path)
    monkeypatch.undo()
    monkeypatch.setattr("sk_deepsets.io._onnx.FIRST_TORCH", "99.1")
    with pytest.raises(ImportError, match=r"needs torch 99.1 or later, not 2\."):
        to_onnx(model, path)
    assert not list(tmp_path.iterdir())
