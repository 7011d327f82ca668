import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsRegressor,
    ElementTransformer,
    PaddedSets,
    RaggedSets,
    SetAggregator,
    SetPadder,
    check_sets,
)
from sk_deepsets.io import to_onnx
from sk_deepsets.io._onnx import FIRST_TORCH, description, inputs_of
from sk_deepsets.io._program import Served
from sk_deepsets.io._steps import Steps
from tests.models import CASES, FRAME, OF_ELEMENTS, OF_FRAME, PACK, SETS, SINGLE, TRAINED, VALUE, MeanNet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
if torch.__version__ < FIRST_TORCH:
    pytest.skip(f"to_onnx needs torch {FIRST_TORCH}", allow_module_level=True)

ALL_POOLS = {"pool_type": ("sum", "mean", "max", "min", "std", "attention", "pma")}


def exported(estimator, tmp_path, **options):
    to_onnx(estimator, tmp_path / "model.onnx", **options)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(tmp_path / "model.onnx", options)


def feed_of(estimator, X, extra=0):
    """Sets as the program takes them, with some more filling, which is NaN."""
    sets = estimator._read_sets(X)  # numbers, and codes of categories
    padded = PaddedSets.from_ragged(sets, int(sets.sizes.max()) + extra, np.nan)
    feed = {"x": padded.values.astype(np.float64), "mask": padded.mask}
    return feed if sets.context is None else {**feed, "context": sets.context.astype(np.float64)}


def assert_says_the_same(estimator, session, X, dtype="float64"):
    method, name = ("predict_proba", "probabilities") if hasattr(estimator, "classes_") else ("predict", "values")
    wanted = getattr(estimator, method)(X)
    for extra in (0, 3):
        feed = feed_of(estimator, X, extra)
        (found,) = session.run([name], feed if dtype == "float64" else in_float32(feed))
        assert found.dtype == dtype
        if isinstance(wanted, list):
            assert not found[~feed["mask"]].any()
            found, flat = found[feed["mask"]], np.concatenate(wanted)
        else:
            flat = wanted
        assert found.shape == flat.shape
        assert flat.std() > 1e-3
        np.testing.assert_allclose(found, flat, rtol=1e-5, atol=1e-5)


def in_float32(feed):
    return {name: array.astype(np.float32) for name, array in feed.items()}


def raw_feed(session, X, extra=2):
    """A table with a column of sets, or sets, as the program takes them, from what its metadata say."""
    return feed_as_told(json.loads(session.get_modelmeta().custom_metadata_map["sk_deepsets"]), X, extra)


def feed_as_told(told, X, extra=2):
    """The same, from a description of the inputs."""

    def numbers(table, columns):
        table = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
        found = [
            pd.to_numeric(table[one["name"]], errors="coerce")
            if one["categories"] is None
            else [one["categories"].index(value) + 1 for value in table[one["name"]].tolist()]
            for one in columns
        ]
        return np.array(found, dtype=np.float64).T.reshape(len(table), len(columns))

    sets = list(X["sets"]) if isinstance(X, pd.DataFrame) else list(X)
    shape = len(sets), max(map(len, sets)) + extra
    x, mask = np.full((*shape, len(told["columns"])), np.nan), np.zeros(shape, dtype=bool)
    for number, one in enumerate(sets):
        x[number, : len(one)], mask[number, : len(one)] = numbers(one, told["columns"]), True
    return {"x": x, "mask": mask} | ({"context": numbers(X, told["context"])} if "context" in told else {})


MODELS = {
    "all pools": (DeepSetsClassifier, {**SINGLE, **ALL_POOLS, "fusion_type": "film"}, "single-context-film"),
    "equivariant": (
        DeepSetsRegressor,
        {**SINGLE, "fusion_type": "add", "encoder": "equivariant"},
        "single-context-add",
    ),
    "attention": (
        DeepSetsRegressor,
        {**SINGLE, "encoder": "attention", "loss": "poisson", "fusion_type": "film"},
        "single-context-film",
    ),
    **{name: (None, {}, name) for name in ("one-per-set", "element-values")},
}


def served(estimator, feed, steps=()):
    """What is exported says this, as the program does, without the seconds that an export takes."""
    module = Served(estimator.net_.module_, estimator._fitted, inputs_of(estimator, Steps(steps)), torch.float64)
    with torch.no_grad():
        return module.eval()(*map(torch.from_numpy, feed.values())).numpy()


@pytest.mark.parametrize("name", CASES)
def test_what_is_exported_says_what_the_estimator_says(fitted, name):
    case, model = fitted(name)
    method = model.predict_proba if hasattr(model, "classes_") else model.predict
    feed = feed_of(model, case.X, extra=3)
    found, wanted = served(model, feed), method(case.X)
    if isinstance(wanted, list):
        assert not found[~feed["mask"]].any()
        found, wanted = found[feed["mask"]], np.concatenate(wanted)
    elif case.X is SETS:
        empty = {"x": np.full((2, 3, 3), np.nan), "mask": np.zeros((2, 3), dtype=bool)}
        np.testing.assert_allclose(served(model, empty), method([np.empty((0, 3))] * 2), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


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
    empty = feed_of(model, X)
    empty["mask"][:] = False
    np.testing.assert_allclose(session.run(None, empty)[0], served(model, empty), rtol=1e-5, atol=1e-5)
    one, few = (X.iloc[[5]], X.iloc[:9]) if hasattr(X, "iloc") else ([X[5]], X[:9])
    for part in (few, one):
        (found,) = session.run(None, feed_of(model, part))
        (whole,) = session.run(None, feed_of(model, X))
        if isinstance(model, DeepSetsClassifier | DeepSetsRegressor):
            np.testing.assert_allclose(found, whole[:9] if part is few else whole[5:6], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["program", "all pools", "pack"])
def test_what_weighs_the_elements_is_a_column_of_x(name, tmp_path):
    options = {
        "program": {**SINGLE, "pool_type": ("std", "max", "pma"), "phi_hidden_dims": (4,)},
        "all pools": {**SINGLE, **ALL_POOLS},
        "pack": {**PACK, "n_members": 16, "max_epochs": 3},
    }[name]
    rng = np.random.default_rng(0)
    sets = [np.c_[rng.gamma(2, size=len(one)) * (rng.random(len(one)) > 0.3), one] for one in SETS]
    model = DeepSetsRegressor(element_weight=0, **options).fit(sets, VALUE)
    padded = SetPadder().fit_transform(sets)  # the columns as the user has them
    values = np.where(padded.mask[:, :, None], padded.values, np.nan)
    if name == "program":
        (found,) = exported(model, tmp_path).run(["values"], {"x": values, "mask": padded.mask})
    else:
        served = Served(model.net_.module_, model._fitted, inputs_of(model, Steps([])), torch.float64).eval()
        with torch.no_grad():
            found = served(torch.from_numpy(values), torch.from_numpy(padded.mask)).numpy()
    wanted = model.predict(sets)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.ptp(wanted))


def test_codes_of_no_category_are_unknown(tmp_path):
    table = pd.DataFrame({"kind": pd.Categorical(list("abc") * 20), "price": np.arange(60.0)})
    context = pd.DataFrame({"age": np.arange(20.0), "town": list("de") * 10})
    sets = RaggedSets(table, np.arange(0, 61, 3), context=context)
    model = DeepSetsClassifier(n_members=1, max_epochs=3, random_state=0).fit(sets, np.arange(20) % 2)
    with torch.device("meta"):  # a default device of the user, which is left aside
        session = exported(model, tmp_path)
    assert_says_the_same(model, session, sets)

    def says(code, town):
        feed = {"x": np.array([[[1.0, code]]]), "mask": np.array([[True]]), "context": np.array([[4.0, town]])}
        return session.run(None, feed)[0]

    wanted = says(0, 0)
    assert np.abs(says(3, 0) - wanted).max() > 1e-3
    assert np.abs(says(0, 2) - wanted).max() > 1e-3
    for code in (-1, 1.5, 4, np.nan, np.inf, -np.inf, 1e30):
        np.testing.assert_array_equal(says(code, 0), wanted)
        np.testing.assert_array_equal(says(0, code), wanted)


def test_a_large_offset_keeps_its_digits():
    stamps = [1.7e9 + one for one in SETS]
    model = DeepSetsRegressor(**SINGLE).fit(stamps, VALUE)
    wanted = model.predict(stamps)
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(served(model, feed_of(model, stamps)), wanted, rtol=1e-5, atol=1e-5)


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
    with pytest.raises(NotFittedError):
        to_onnx(make_pipeline(SetPadder(), DeepSetsClassifier()), path)
    with pytest.raises(TypeError, match=r"got SetAggregator\."):
        to_onnx(make_pipeline(SetPadder(), SetAggregator()).fit(SETS), path)
    with pytest.raises(TypeError, match=r"got GridSearchCV\. Of a search, export best_estimator_"):
        to_onnx(GridSearchCV(DeepSetsClassifier(), {}), path)
    with pytest.raises(ValueError, match=r"dtype must be one of \['float64', 'float32'\], but is 'float16'"):
        to_onnx(DeepSetsRegressor(), path, dtype="float16")
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


def gaps():
    """Sets with numbers, of which some are missing, and categories; beside a context with both."""
    rng = np.random.default_rng(0)
    sets = check_sets(FRAME["sets"], dtype=None)
    n = len(sets.elements)
    table = pd.DataFrame(
        {
            "kind": sets.elements["kind"],
            "amount": np.where(rng.random(n) < 0.2, np.nan, rng.normal(3, 2, size=n)),
            "price": rng.gamma(2.0, 30.0, n),
            "code": sets.elements["code"],
            "unused": "text",
        }
    )
    age = np.where(rng.random(60) < 0.2, np.nan, rng.normal(40, 9, size=60))
    return pd.DataFrame({"town": rng.choice(["u", "w"], 60), "age": age, "sets": sets.replace(table).to_series()})


GAPS = gaps()
NUMBERS = ["price", "amount"]
SCALE = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
CONTEXT = make_column_transformer((make_pipeline(SimpleImputer(), RobustScaler()), ["age"]), remainder="passthrough")
KEEP = {"remainder": "passthrough"}
STEPS = {
    "scaled": [make_column_transformer((SCALE, NUMBERS))],
    "two after another": [make_column_transformer((SimpleImputer(), NUMBERS)), RobustScaler(), MinMaxScaler()],
    "clipped": [make_column_transformer((SimpleImputer(), ["amount"]), (MinMaxScaler(clip=True), ["price"]))],
    "categories": [make_column_transformer((SCALE, NUMBERS), ("drop", ["unused"]), **KEEP)],
    "moved": [make_column_transformer(("passthrough", ["code"]), (SCALE, ["amount"]), (MaxAbsScaler(), ["price"]))],
    "nested": [make_pipeline(make_column_transformer((SimpleImputer(), NUMBERS)), FunctionTransformer())],
}


def with_steps(name):
    """A pipeline with these steps before an estimator, fitted on sets with gaps."""
    steps = [ElementTransformer(clone(step)) for step in STEPS[name]]
    pipe = make_pipeline(clone(CONTEXT), *steps, DeepSetsClassifier(**{**SINGLE, **TRAINED}))
    return pipe.fit(GAPS, OF_FRAME)


def assert_exports_the_same(pipe):
    """What is exported of a pipeline says of the sets with gaps what the pipeline says."""
    steps, estimator = [step for _, step in pipe.steps[:-1]], pipe[-1]
    wanted = pipe.predict_proba(GAPS)
    assert wanted.std() > 0.01
    feed = feed_as_told(description(estimator, steps), GAPS)
    np.testing.assert_allclose(served(estimator, feed, steps), wanted, atol=1e-5)


@pytest.mark.parametrize("name", STEPS)
def test_scaling_and_imputing_steps_are_in_what_is_exported(name):
    assert_exports_the_same(with_steps(name))


def test_scaling_and_imputing_steps_are_in_the_program(tmp_path):
    pipe = with_steps("categories")
    session = exported(pipe, tmp_path, dtype="float32")
    (found,) = session.run(None, in_float32(raw_feed(session, GAPS)))
    np.testing.assert_allclose(found, pipe.predict_proba(GAPS), atol=1e-5)


@pytest.mark.parametrize(
    ("names", "output"), [(["sets"], "default"), (["town", "sets"], "pandas"), (["sets", "age"], "default")]
)
def test_the_sets_may_be_a_column_of_the_table_that_is_transformed(output, names):
    parts = {"sets": ElementTransformer(STEPS["scaled"][0]), "town": "passthrough", "age": SimpleImputer()}
    both = make_column_transformer(*((parts[name], [name]) for name in names)).set_output(transform=output)
    pipe = make_pipeline(both, DeepSetsClassifier(**{**SINGLE, **TRAINED})).fit(GAPS, OF_FRAME)
    assert_exports_the_same(pipe)


def test_steps_of_arrays_and_answers_for_each_element(tmp_path):
    sets = [np.where(one > 6, np.nan, one) for one in SETS]
    scaler = make_pipeline(SimpleImputer(), StandardScaler())
    pipe = make_pipeline(
        ElementTransformer(scaler), DeepSetsElementClassifier(n_members=1, hidden_dims=(8,), **TRAINED)
    )
    pipe.fit(sets, OF_ELEMENTS)
    session = exported(pipe, tmp_path)
    feed = raw_feed(session, sets)
    (found,) = session.run(None, feed)
    np.testing.assert_allclose(found[feed["mask"]], np.concatenate(pipe.predict_proba(sets)), atol=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(handle_unknown="ignore"), QuantileTransformer(n_quantiles=9), SimpleImputer(missing_values=-1.0),
        FunctionTransformer(np.abs), type("Own", (StandardScaler,), {})(),
    ],
)  # fmt: skip
def test_of_other_steps_the_error_shows_a_way(step, tmp_path):
    with pytest.raises(TypeError, match=rf"but got {type(step).__name__}.*to_onnx\(pipeline\[-1\], path\)"):
        to_onnx(with_step(step), tmp_path / "model.onnx")


def with_step(step):
    kind = make_column_transformer((make_pipeline(SimpleImputer(), step), NUMBERS))
    return make_pipeline(ElementTransformer(kind), DeepSetsClassifier(**SINGLE)).fit(GAPS["sets"], OF_FRAME)


def test_the_way_that_the_error_shows_works(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "model.onnx"
    X = pd.DataFrame({"land": rng.choice(["de", "fr"], 30), "age": rng.normal(size=30)})
    X["events"] = [rng.normal(size=(size, 2)) for size in rng.integers(0, 5, 30)]
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["land"]), remainder="passthrough")
    pipeline = make_pipeline(encode.set_output(transform="pandas"), DeepSetsClassifier(**SINGLE))
    pipeline.fit(X, X["age"] > 0)
    with pytest.raises(TypeError, match=re.escape("and context=padded.context.to_numpy() if there is one")):
        to_onnx(pipeline, path)
    to_onnx(pipeline[-1], path)
    padded = SetPadder().fit_transform(pipeline[:-1].transform(X))
    feed = {"x": padded.values, "mask": padded.mask, "context": padded.context.to_numpy()}
    (found,) = onnxruntime.InferenceSession(path).run(None, feed)
    np.testing.assert_allclose(found, pipeline.predict_proba(X), atol=1e-5)


def test_categories_that_are_scaled_as_numbers_are_an_error(tmp_path):
    both = make_column_transformer((StandardScaler(), ["code"]), ("passthrough", ["code", "kind"]))
    pipe = make_pipeline(ElementTransformer(both), DeepSetsClassifier(**SINGLE)).fit(GAPS["sets"], OF_FRAME)
    with pytest.raises(TypeError, match="columns of categories only pass through"):
        to_onnx(pipe, tmp_path / "model.onnx")


def test_a_program_in_float32_has_no_other_floats(fitted, tmp_path):
    (_, X, _), model = fitted("default")
    session = exported(model, tmp_path, dtype="float32")
    graph = onnx.load(tmp_path / "model.onnx").graph
    inputs = {one.name: one.type.tensor_type.elem_type for one in [*graph.input, *graph.output]}
    assert set(inputs.values()) == {onnx.TensorProto.FLOAT}
    inner = {one.data_type for one in graph.initializer} | {
        one.type.tensor_type.elem_type for one in graph.value_info if one.type.HasField("tensor_type")
    }
    assert onnx.TensorProto.DOUBLE not in inner
    assert_says_the_same(model, session, X, "float32")


@pytest.mark.parametrize("where", ["elements", "context", "steps", "elements of a pack"])
def test_a_column_that_float32_cannot_hold_is_an_error(where, tmp_path):
    frame = FRAME[["age"]].assign(sets=pd.Series([pd.DataFrame(one, columns=["a", "b", "c"]) for one in SETS]))
    if where == "context":
        frame["age"] += 1e6
    else:
        frame["sets"] = [one.assign(b=one["b"] + 1.7e9) for one in frame["sets"]]
    model = DeepSetsRegressor(**(PACK if "pack" in where else SINGLE))
    if where == "steps":
        model = make_pipeline(ElementTransformer(StandardScaler()), model)
    model.fit(frame, VALUE)
    column = "age" if where == "context" else "b"
    with pytest.raises(ValueError, match=rf"Column '{column}' is around 1.*e\+0. with a spread of .*dtype=\"float64\""):
        to_onnx(model, tmp_path / "model.onnx", dtype="float32")
    assert not list(tmp_path.iterdir())
