"""Pipelines in skops: which types of this package it asks to trust, as the guide says, and what it cannot save."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from sk_deepsets import DeepSetsClassifier, ElementTransformer, RaggedSets, SetAggregator, SetPadder, check_sets
from tests.models import FRAME

skops_io = pytest.importorskip("skops.io")

PAGE = Path(__file__).parents[2] / "examples" / "docs" / "guide" / "saving.rst"


@pytest.fixture
def bags():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    return sets, np.array([one.max() > 1 for one in sets])


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(ElementTransformer(QuantileTransformer(n_quantiles=9)), SetAggregator()),
        lambda: make_pipeline(SetAggregator(["size", 0.25]), LogisticRegression()),
        lambda: SetPadder(max_set_size=9),
    ],
)
def test_the_types_to_trust_are_those_of_the_guide(bags, make):
    sets, y = bags
    model = make().fit(sets, y)
    data = skops_io.dumps(model)
    trusted = skops_io.get_untrusted_types(data=data)
    assert all(f'"{name}"' in PAGE.read_text() for name in trusted)
    again = skops_io.loads(data, trusted=trusted)
    for answer in ("transform", "predict_proba"):
        if hasattr(model, answer):
            ours, theirs = (np.asarray(getattr(one, answer)(sets), dtype=object) for one in (model, again))
            assert all(map(np.array_equal, ours, theirs))


def test_tensors_are_not_for_skops(bags):
    model = DeepSetsClassifier(n_members=1, max_epochs=1).fit(*bags)
    with pytest.raises(RuntimeError, match="Cannot directly construct TensorBase"):
        skops_io.dumps(model)


def frames_of_all_dtypes():
    pytest.importorskip("pyarrow")
    n = 6
    table = pd.DataFrame(
        {
            "amount": [1.0, np.nan, 3.0, 4.0, 5.0, 6.0],
            "nullable": pd.array(range(n), "Int64"),
            "arrow": pd.array(np.arange(float(n)), "double[pyarrow]"),
            "flag": np.arange(n) > 2,
            "text": list("aabbab"),
            "kind": pd.Categorical(list("xyzxyz"), categories=list("zyxw"), ordered=True),
            "code": pd.Categorical([5, 6, 7] * 2),
            "size": pd.cut(np.arange(n), [-1, 2, 9]),
            "day": pd.Categorical(pd.date_range("2024", periods=n)),
            "zone": pd.date_range("2024", periods=n, tz="UTC"),
            "dictionary": pd.Series(list("uvuvuv"), dtype="category").astype("string[pyarrow]"),
        }
    )
    return RaggedSets(table, [0, 2, 2, 6])


SCALE = make_column_transformer((StandardScaler(), ["amount"]), remainder="passthrough")
IMPUTE = make_column_transformer((SimpleImputer(), ["amount"]), (OneHotEncoder(), ["text"]), remainder="passthrough")


@pytest.mark.parametrize("make", [lambda: SCALE, lambda: IMPUTE, lambda: "passthrough"])
@pytest.mark.parametrize("fit", ["fit", "fit_transform"])
def test_transformers_fitted_on_columns_with_names(make, fit):
    sets = frames_of_all_dtypes()
    model = ElementTransformer(make())
    getattr(model, fit)(sets)
    data = skops_io.dumps(model)
    again = skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data))
    pd.testing.assert_frame_equal(again.transform(sets).elements, model.transform(sets).elements)
    pd.testing.assert_frame_equal(again.transform(sets[[1, 1]]).elements, model.transform(sets[[1, 1]]).elements)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ElementTransformer(make_column_transformer((StandardScaler(), ["amount"]))),
        lambda: make_pipeline(
            ElementTransformer(make_column_transformer(("passthrough", ["amount"]))), SetAggregator()
        ),
        lambda: make_pipeline(ElementTransformer(make_column_transformer(("passthrough", ["amount"]))), SetPadder()),
    ],
)
@pytest.mark.parametrize("form", ["table with a context", "sets"])
def test_each_public_transformer_on_each_form_of_frames(make, form):
    X = FRAME if form == "sets" else check_sets(FRAME, dtype=None)
    model = make().fit(X)
    data = skops_io.dumps(model)
    again = skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data))
    ours, theirs = model.transform(X), again.transform(X)
    assert list(again.get_feature_names_out()) == list(model.get_feature_names_out())
    assert type(ours) is type(theirs)
    if isinstance(ours, pd.DataFrame):
        pd.testing.assert_frame_equal(ours.select_dtypes("number"), theirs.select_dtypes("number"))
