"""Context in the estimators: which fusion learns what, kinds of columns, names."""

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets

RNG = np.random.default_rng(0)
SIZES = RNG.integers(0, 8, 120)
SETS = RaggedSets(RNG.normal(size=(SIZES.sum(), 3)), np.r_[0, SIZES.cumsum()])
Y = np.arange(120) % 2
SHORT = {"max_epochs": 3, "random_state": 0}


def with_context(context):
    return RaggedSets(SETS.elements, SETS.offsets, context=context)


@pytest.fixture(scope="module")
def scores():
    """R² on unseen sets where y is the mean over the elements of relu(x . z): a product of element and context."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 20, 600)
    x, z = rng.normal(size=(sizes.sum(), 4)), rng.normal(size=(600, 4))
    of_element = np.repeat(np.arange(600), sizes)
    y = np.bincount(of_element, np.maximum((x * z[of_element]).sum(axis=1), 0)) / sizes
    offsets = np.r_[0, sizes.cumsum()]
    params = {
        "pool_type": "mean",
        "phi_hidden_dims": (32, 32),
        "lr": 5e-3,
        "max_epochs": 40,
        "n_members": 1,
        "random_state": 0,
    }
    found = {}
    for fusion_type in ("none", "add", "concat", "film"):
        sets = RaggedSets(x, offsets, context=None if fusion_type == "none" else z)
        reg = DeepSetsRegressor(fusion_type="concat" if fusion_type == "none" else fusion_type, **params)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        found[fusion_type] = reg.fit(sets[:400], y[:400]).score(sets[400:], y[400:])
        torch.set_num_threads(threads)
    return found


def test_film_learns_a_product_better_than_add(scores):
    assert scores["film"] > scores["add"] + 0.15


@pytest.mark.parametrize("fusion_type", ["add", "concat", "film"])
def test_every_fusion_learns_more_than_no_context(scores, fusion_type):
    assert scores[fusion_type] > scores["none"] + 0.3


COUNTRY = np.array(["de", "fr", "it"])[np.arange(120) % 3]
KINDS = {
    "category": pd.Categorical(COUNTRY),
    "strings": pd.Series(COUNTRY, dtype="str"),
    "objects": pd.Series(list(COUNTRY), dtype=object),
    "pandas strings": pd.array(COUNTRY, dtype="string"),
}


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_categories_in_the_context_are_learned(values):
    context = pd.DataFrame({"age": RNG.normal(size=120), "member": Y == 2, "country": values})
    clf = DeepSetsClassifier(n_members=5, max_epochs=40, lr=0.02, random_state=0).fit(
        with_context(context), COUNTRY == "fr"
    )
    assert clf.score(with_context(context), COUNTRY == "fr") == 1
    assert clf.n_context_features_ == 3


def test_a_category_is_its_value_whatever_its_code():
    context = pd.DataFrame({"country": pd.Categorical(COUNTRY)})
    clf = DeepSetsClassifier(**SHORT).fit(with_context(context), Y)
    other = pd.DataFrame({"country": pd.Categorical(COUNTRY, categories=["xx", "it", "fr", "de"])})
    strings = pd.DataFrame({"country": list(COUNTRY)})
    wanted = clf.predict_proba(with_context(context))
    np.testing.assert_array_equal(clf.predict_proba(with_context(other)), wanted)
    np.testing.assert_array_equal(clf.predict_proba(with_context(strings)), wanted)


def test_unknown_categories_all_count_as_one():
    clf = DeepSetsClassifier(**SHORT).fit(with_context(pd.DataFrame({"country": COUNTRY})), Y)
    unknown = [clf.predict_proba(with_context(pd.DataFrame({"country": [name] * 120}))) for name in ("es", "pt")]
    known = clf.predict_proba(with_context(pd.DataFrame({"country": ["de"] * 120})))
    np.testing.assert_array_equal(*unknown)
    assert not np.allclose(unknown[0], known)


@pytest.mark.parametrize("value", [np.nan, None])
@pytest.mark.parametrize("when", ["fit", "predict"])
def test_missing_context_names_the_column(value, when):
    whole = pd.DataFrame({"age": np.ones(120), "country": list(COUNTRY)})
    holed = {name: whole.copy() for name in whole}
    for name, frame in holed.items():
        frame.loc[5, name] = value
    clf = DeepSetsClassifier(**SHORT).fit(with_context(whole), Y)
    for name, frame in holed.items():
        with pytest.raises(ValueError, match=rf"Context column '{name}' .*first in row 5"):
            clf.fit(with_context(frame), Y) if when == "fit" else clf.predict(with_context(frame))


def test_a_kind_that_cannot_be_encoded_names_the_column():
    dates = pd.DataFrame({"since": pd.date_range("2020-01-01", periods=120)})
    with pytest.raises(ValueError, match=r"Context column 'since' has dtype datetime64.*; expected numbers"):
        DeepSetsClassifier(**SHORT).fit(with_context(dates), Y)


def test_numbers_in_fit_must_be_numbers_in_predict():
    clf = DeepSetsClassifier(**SHORT).fit(with_context(pd.DataFrame({"age": np.arange(120)})), Y)
    with pytest.raises(ValueError, match=r"Context column 'age' has dtype .*; in fit it held numbers"):
        clf.predict(with_context(pd.DataFrame({"age": ["old"] * 120})))


@pytest.mark.parametrize(("predict_has", "fit_has"), [(False, True), (True, False)])
def test_context_in_fit_alone_or_in_predict_alone_is_an_error(predict_has, fit_has):
    context = pd.DataFrame({"age": np.arange(120)})
    clf = DeepSetsClassifier(**SHORT).fit(with_context(context) if fit_has else SETS, Y)
    with pytest.raises(ValueError, match="context features, but the estimator was fitted with"):
        clf.predict(with_context(context) if predict_has else SETS)


def test_objects_that_are_booleans_or_numbers_are_taken_as_such():
    rng = np.random.default_rng(0)
    sets = RaggedSets(rng.normal(size=(40, 2)), np.arange(41)).to_series()
    context = pd.DataFrame({"vip": rng.random(40) < 0.5, "n": rng.integers(0, 9, 40)})
    y = context["vip"].to_numpy()
    clf = DeepSetsClassifier(max_epochs=2, random_state=0).fit(context.assign(sets=sets), y)
    objects = context.astype(object).assign(sets=sets)
    np.testing.assert_array_equal(clf.predict_proba(objects), clf.predict_proba(context.assign(sets=sets)))
    again = DeepSetsClassifier(max_epochs=2, random_state=0).fit(objects, y)
    np.testing.assert_array_equal(again.predict_proba(objects), clf.predict_proba(objects))
    missing = objects.copy()
    missing.loc[3, "vip"] = None
    for refused in (clf.predict, lambda X: DeepSetsClassifier().fit(X, y)):
        with pytest.raises(ValueError, match="Context column 'vip' has 1 missing values \\(the first in row 3\\)"):
            refused(missing)


@pytest.mark.parametrize("n_members", [1, 4])
def test_a_context_without_columns_is_none(n_members):
    rng = np.random.default_rng(0)
    table, offsets = rng.normal(size=(60, 2)), np.arange(0, 61, 3)
    bare = RaggedSets(table, offsets)
    sets = RaggedSets(table, offsets, context=pd.DataFrame(index=range(20)))
    y, how = np.arange(20) % 2, {"n_members": n_members, "max_epochs": 2, "random_state": 0}
    wanted = DeepSetsClassifier(**how).fit(bare, y).predict_proba(bare)
    model = DeepSetsClassifier(**how).fit(sets, y)
    for X in (sets, bare):
        np.testing.assert_array_equal(model.predict_proba(X), wanted)
    np.testing.assert_array_equal(DeepSetsClassifier(**how).fit(bare, y).predict_proba(sets), wanted)
