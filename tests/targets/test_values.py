"""Targets of sets: matched by label, weighed, standardised."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets, check_sets
from sk_deepsets.targets import QuantilesTarget, ValueTarget

RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame({"id": RNG.integers(0, 200, 3000), "x": RNG.normal(size=3000)})
CUSTOMERS = pd.DataFrame(index=pd.Index(RNG.permutation(200), name="id"))
CUSTOMERS["y"] = EVENTS.groupby("id")["x"].max().reindex(CUSTOMERS.index) > 2
SETS = RaggedSets.from_frame(EVENTS, by="id")
SHORT = {"max_epochs": 2, "random_state": 0}


@pytest.mark.parametrize("make", [DeepSetsClassifier, DeepSetsRegressor])
def test_a_series_that_carries_the_labels_of_the_sets_in_another_order_is_an_error(make):
    y = CUSTOMERS["y"].astype(int)
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        make(**SHORT).fit(SETS, y)
    with pytest.raises(ValueError, match="sample_weight"):
        make(**SHORT).fit(SETS, y.loc[SETS.index], sample_weight=y + 1.0)
    with pytest.raises(ValueError, match="y_val"):
        make(**SHORT).fit(SETS, y.loc[SETS.index], X_val=SETS, y_val=y)
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        make(**SHORT).partial_fit(SETS, y, **({"classes": [0, 1]} if make is DeepSetsClassifier else {}))
    wanted = make(**SHORT).fit(SETS, y.loc[SETS.index].to_numpy())
    np.testing.assert_array_equal(make(**SHORT).fit(SETS, y.loc[SETS.index]).predict(SETS), wanted.predict(SETS))


def test_what_carries_no_labels_of_the_sets_goes_by_position():
    y = CUSTOMERS["y"].loc[SETS.index].to_numpy()
    wanted = DeepSetsClassifier(**SHORT).fit(SETS, y).predict_proba(SETS)
    default, other = pd.Series(y), pd.Series(y, index=[f"c{i}" for i in range(200)])
    for target in (default, other, y.tolist()):
        np.testing.assert_array_equal(DeepSetsClassifier(**SHORT).fit(SETS, target).predict_proba(SETS), wanted)
    # but the same numbers in another order are the rows of a default range
    frame = pd.DataFrame({"sets": SETS.to_series().array})
    shuffled = pd.Series(y, index=np.random.default_rng(1).permutation(200))
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        DeepSetsClassifier(**SHORT).fit(frame, shuffled)


def test_a_frame_and_its_column_of_targets_may_be_shuffled_together():
    X = pd.DataFrame({"sets": SETS.to_series()})
    order = np.random.default_rng(2).permutation(200)
    y = CUSTOMERS["y"].loc[SETS.index]
    shuffled = DeepSetsClassifier(**SHORT).fit(X.iloc[order], y.iloc[order])
    assert shuffled.score(X, y) == shuffled.score(X.iloc[order], y.iloc[order])
    with pytest.raises(ValueError, match="another order"):
        DeepSetsClassifier(**SHORT).fit(X.iloc[order], y)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("Int64", "i"), ("UInt8", "u"), ("int64[pyarrow]", "i"), ("boolean", "b"), ("int32", "i")]
)
def test_whole_numbers_and_booleans_of_pandas_stay_what_they_are(dtype, kind):
    y = CUSTOMERS["y"].loc[SETS.index].astype(int).astype(dtype)
    clf = DeepSetsClassifier(n_members=1, **SHORT).fit(SETS, y)
    assert clf.classes_.dtype.kind == kind
    assert clf.classes_.tolist() == [0, 1]
    assert clf.predict(SETS).dtype == clf.classes_.dtype
    assert clf.score(SETS, y.to_numpy(clf.classes_.dtype)) >= 0.5
    with pytest.raises(ValueError, match=r"y is missing for 1 of .* sets; the first is set 0"):
        DeepSetsClassifier(n_members=1, **SHORT).fit(SETS, y.astype("Int64").where(np.arange(len(SETS)) > 0))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    ("loss", "quantile", "wanted"),
    [
        ("squared_error", None, lambda y, w: np.average(y, weights=w)),
        ("absolute_error", None, lambda y, w: np.median(np.repeat(y, w))),
        ("huber", None, lambda y, w: np.median(np.repeat(y, w))),
        ("huber", 0.9, lambda y, w: np.median(np.repeat(y, w))),
        ("quantile", 0.9, lambda y, w: np.quantile(np.repeat(y, w), 0.9, method="inverted_cdf")),
        ("quantile", (0.9, 0.1), lambda y, w: [np.quantile(np.repeat(y, w), (0.9, 0.1), method="inverted_cdf")]),
    ],
)
def test_the_prior_of_values_is_what_the_loss_asks_of_a_constant(loss, quantile, wanted, standardize):
    rng = np.random.default_rng(0)
    y, weight = rng.gamma(2, 30, 41), rng.integers(1, 3, 41)
    weight[0] += 1 - weight.sum() % 2  # an odd number has a middle
    sets = check_sets([[0.0]] * 41)
    cls = QuantilesTarget if isinstance(quantile, tuple) else ValueTarget
    target = cls(loss, standardize, quantile)
    encoded = target.fit_encode(y, sets)
    target.fit(encoded, weight.astype(float))
    prior = target.prior(encoded, weight.astype(float))
    np.testing.assert_allclose(target.answers(prior[None]), wanted(y, weight), rtol=1e-6)
