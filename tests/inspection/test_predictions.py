"""Inputs that are put together anew: as if the user had changed X by hand, in every form that X may have."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sk_deepsets import DeepSetsRegressor, ElementTransformer, PaddedSets, RaggedSets, check_sets
from sk_deepsets.inspection import critical_elements, element_importance, feature_importance
from sk_deepsets.inspection._feature_importance import _permute_context_column
from sk_deepsets.inspection._predictions import log_odds, read_known_targets, read_sets, read_targets, rebuild_like

N_SETS, N_ELEMENTS, SIZE = 12, 36, 3
ELEMENTS = np.random.default_rng(0).normal(size=(N_ELEMENTS, 2))
AGE = np.random.default_rng(1).normal(size=N_SETS)
TOWN = pd.Categorical(np.array(["a", "b", "c"])[np.arange(N_SETS) % 3])


def arrays(elements):
    return list(elements.reshape(N_SETS, SIZE, 2))


def ragged(elements, age=AGE):
    context = pd.DataFrame({"age": age, "town": TOWN})
    return RaggedSets(elements, np.arange(N_SETS + 1) * SIZE, context=context, index=pd.RangeIndex(100, 100 + N_SETS))


def table(elements, age=AGE):
    frame = pd.DataFrame({"age": age, "bag": arrays(elements), "town": TOWN}, index=np.arange(N_SETS)[::-1])
    return frame.astype({"bag": object})


def arrow(elements):
    pa = pytest.importorskip("pyarrow")
    lists = pa.array([bag.tolist() for bag in arrays(elements)], pa.list_(pa.list_(pa.float64(), 2)))
    return pd.Series(lists, dtype=pd.ArrowDtype(lists.type), index=np.arange(N_SETS) + 5)


FORMS = {
    "list": arrays,
    "array": lambda elements: elements.reshape(N_SETS, SIZE, 2),
    "objects": lambda elements: np.fromiter(arrays(elements), dtype=object, count=N_SETS),
    "Series": lambda elements: pd.Series(arrays(elements), index=np.arange(N_SETS) + 5),
    "frames": lambda elements: [pd.DataFrame(bag, columns=["u", "v"]) for bag in arrays(elements)],
    "Arrow": arrow,
    "RaggedSets": ragged,
    "PaddedSets": lambda elements: PaddedSets.from_ragged(check_sets(arrays(elements)), 5),
    "DataFrame": table,
    "table of objects": lambda elements: table(elements).to_numpy(dtype=object),
}
WITH_CONTEXT = {
    "RaggedSets": ragged,
    "DataFrame": table,
    "table of objects": lambda elements, age=AGE: table(elements, age).to_numpy(dtype=object),
}


class Sees(RegressorMixin, BaseEstimator):
    """Predicts from elements and context by a formula, and takes X in one form alone."""

    def __init__(self, form=None):
        self.form = form

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        assert self.form is None or isinstance(X, self.form)
        sets = check_sets(X, dtype=None, ensure_min_elements=0)
        found = np.array([np.asarray(bag)[:, 0].sum() + np.asarray(bag)[:, 1].max(initial=0) ** 2 for bag in sets])
        if sets.context is not None:
            found += 3 * np.asarray(sets.context.iloc[:, 0], dtype=float) * (np.asarray(sets.context.iloc[:, 1]) == "a")
        return found

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("form", FORMS)
def test_a_permuted_column_of_the_elements_is_permuted_by_hand(form):
    X = FORMS[form](ELEMENTS)
    estimator = Sees(None if form == "frames" else type(X))
    y = estimator.predict(X) + np.random.default_rng(2).normal(size=N_SETS)
    found = feature_importance(estimator, X, y, n_repeats=1, random_state=0)
    random = np.random.RandomState(0)
    for column in range(2):
        elements = ELEMENTS.copy()
        elements[:, column] = elements[random.permutation(N_ELEMENTS), column]
        by_hand = estimator.score(X, y) - estimator.score(FORMS[form](elements), y)
        np.testing.assert_allclose(found.importances[column, 0], by_hand)
        assert by_hand != 0


@pytest.mark.parametrize("form", WITH_CONTEXT)
def test_a_permuted_column_of_the_context_is_permuted_by_hand(form):
    X = WITH_CONTEXT[form](ELEMENTS)
    estimator = Sees(None if form == "frames" else type(X))
    y = estimator.predict(X) + np.random.default_rng(2).normal(size=N_SETS)
    found = feature_importance(estimator, X, y, n_repeats=1, random_state=0)
    random = np.random.RandomState(0)
    for _ in range(2):
        random.permutation(N_ELEMENTS)
    changed = WITH_CONTEXT[form](ELEMENTS, AGE[random.permutation(N_SETS)])
    by_hand = estimator.score(X, y) - estimator.score(changed, y)
    np.testing.assert_allclose(found.importances[2, 0], by_hand)
    assert abs(by_hand) > 0.1
    assert found.kinds.tolist() == ["element"] * 2 + ["context"] * 2 + ["size"]
    assert found.importances[3, 0] != 0  # a category is one more column of the context


@pytest.mark.parametrize("form", FORMS)
def test_an_element_that_is_left_out_is_left_out_by_hand(form):
    X = FORMS[form](ELEMENTS)
    estimator = Sees(None if form == "frames" else type(X))
    found = element_importance(estimator, X)
    whole = estimator.predict(X)
    shift = whole - Sees().predict(arrays(ELEMENTS))  # what the context adds
    for number, bag in enumerate(arrays(ELEMENTS)):
        without = Sees().predict([np.delete(bag, place, axis=0) for place in range(SIZE)]) + shift[number]
        np.testing.assert_allclose(found[number], whole[number] - without)


@pytest.mark.parametrize("form", FORMS)
def test_sets_come_back_in_the_form_and_the_rows_of_x(form):
    X = FORMS[form](ELEMENTS)
    sets = read_sets(X)
    numbers = np.array([4, 0, 4])
    new = rebuild_like(X, sets[numbers], numbers)
    assert len(new) == 3
    assert isinstance(new, RaggedSets if form == "frames" else type(X))
    again = read_sets(new)
    np.testing.assert_array_equal(np.asarray(again.elements), np.asarray(sets[numbers].elements))
    if form == "DataFrame":
        assert new.columns.tolist() == ["age", "bag", "town"]
        assert new.dtypes[["age", "town"]].equals(X.dtypes[["age", "town"]])
        assert new.index.tolist() == [7, 11, 7]
    if form in ("Series", "Arrow"):
        assert new.index.tolist() == [9, 5, 9]
    if sets.context is not None:
        assert again.context.to_numpy().tolist() == sets.context.to_numpy()[numbers].tolist()


def test_sets_of_polars_keep_their_context():
    pl = pytest.importorskip("polars")
    X = pl.DataFrame({"bag": [bag.tolist() for bag in arrays(ELEMENTS)], "age": AGE})
    sets = read_sets(X)
    sets = sets._with(context=sets.context.iloc[::-1].reset_index(drop=True))
    assert read_sets(rebuild_like(X, sets, np.arange(N_SETS))).context["age"].tolist() == AGE[::-1].tolist()


def test_missing_sets_stay_missing():
    X = pd.DataFrame({"bag": [None, *arrays(ELEMENTS)[1:]], "age": AGE})
    new = rebuild_like(X, read_sets(X), np.arange(N_SETS))
    assert new["bag"].isna().tolist() == [True] + [False] * (N_SETS - 1)


def test_a_column_transformer_sees_the_permuted_context():
    encode = make_column_transformer(
        (ElementTransformer(StandardScaler()), ["bag"]),
        (OneHotEncoder(sparse_output=False), ["town"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    X = table(ELEMENTS)
    y = 5.0 * (np.asarray(TOWN) == "a") + AGE
    reg = DeepSetsRegressor(n_members=1, max_epochs=150, lr=0.01, early_stopping=False, random_state=0)
    pipe = make_pipeline(encode, reg).fit(X, y)
    found = feature_importance(pipe, X, y, n_repeats=1, random_state=0)
    assert found.feature_names.tolist() == ["x0", "x1", "age", "town", "set size"]
    random = np.random.RandomState(0)
    for _ in range(2):
        random.permutation(N_ELEMENTS)
    for name, row in (("age", 2), ("town", 3)):
        by_hand = X.assign(**{name: X[name].array[random.permutation(N_SETS)]})
        np.testing.assert_allclose(found.importances[row, 0], pipe.score(X, y) - pipe.score(by_hand, y), atol=1e-6)
    assert found.importances[3, 0] > 0.2
    for number, one in enumerate(element_importance(pipe, X)[:3]):
        smaller = pd.concat([X.iloc[[number]]] * SIZE)
        smaller["bag"] = [np.delete(X["bag"].iloc[number], place, axis=0) for place in range(SIZE)]
        expected = pipe.predict(X.iloc[[number]]) - pipe.predict(smaller)
        np.testing.assert_allclose(one, expected, atol=1e-5)


def test_the_critical_elements_of_a_table_keep_its_context():
    X = table(ELEMENTS)
    reg = DeepSetsRegressor(pool_type="max", n_members=1, max_epochs=5, random_state=0).fit(X, AGE)
    kept = critical_elements(reg, X)
    less = X.assign(bag=[bag[places] for bag, places in zip(X["bag"], kept, strict=True)])
    np.testing.assert_allclose(reg.predict(less), reg.predict(X), atol=1e-5)


def test_context_beside_labelled_rows_keeps_their_labels():
    sets = RaggedSets(
        ELEMENTS, np.arange(N_SETS + 1) * SIZE, context=AGE[:, None], rows=pd.RangeIndex(N_ELEMENTS)[::-1]
    )

    changed = _permute_context_column(sets, 0, np.random.RandomState(0))
    assert changed.rows.equals(sets.rows)
    assert sorted(changed.context[:, 0]) == sorted(AGE)
    assert changed.context.tolist() != sets.context.tolist()


def test_a_first_step_that_takes_only_arrays_of_one_size_gets_them():
    X = ELEMENTS.reshape(N_SETS, SIZE, 2)
    pipe = make_pipeline(FunctionTransformer(lambda X: 2 * X[:, :, ::-1]), Sees())
    found = element_importance(pipe, X)
    by_hand = [pipe.predict(X[[0]]) - pipe.predict(np.delete(X[[0]], place, axis=1)) for place in range(SIZE)]
    np.testing.assert_allclose(found[0], np.concatenate(by_hand))


LABELLED = {
    "RaggedSets": ragged(ELEMENTS),
    "DataFrame": table(ELEMENTS),
    "Series": pd.Series(arrays(ELEMENTS), index=[f"set {number}" for number in range(N_SETS)]),
}


@pytest.mark.parametrize("form", LABELLED)
@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error"])
def test_targets_with_labels_in_another_order_are_refused(form, scoring):
    X = LABELLED[form]
    y = pd.Series(AGE, index=X.index)
    feature_importance(Sees(), X, y, n_repeats=1, scoring=scoring)
    with pytest.raises(ValueError, match="labels of the sets in another order"):
        feature_importance(Sees(), X, y.sample(frac=1, random_state=0), n_repeats=1, scoring=scoring)


def test_targets_are_one_for_each_set_and_a_column_is_flat():
    sets = ragged(ELEMENTS)
    column = pd.DataFrame({"y": AGE}, index=sets.index)
    for y in (column, column.to_numpy(), AGE[:, None].tolist(), column["y"], pd.array(AGE), AGE):
        np.testing.assert_array_equal(np.asarray(read_targets(y, sets)), AGE)
        np.testing.assert_array_equal(read_known_targets(y, sets, (N_SETS,)), AGE)
    two = np.c_[AGE, AGE]
    np.testing.assert_array_equal(read_known_targets(two, sets, (N_SETS, 2)), two)
    assert read_known_targets(pd.array([1] * N_SETS, dtype="Int64"), sets).dtype == np.int64
    with pytest.raises(ValueError, match=r"y has shape \(12, 2\); expected \(12,\)"):
        read_known_targets(two, sets, (N_SETS,))
    with pytest.raises(ValueError, match="X has 12 sets, but y has 11 targets: expected one for each set"):
        feature_importance(Sees(), sets, AGE[1:])
    with pytest.raises(ValueError, match="but y is None: expected one for each set"):
        read_targets(None, sets)
    for targets_of_elements in ([np.zeros(size) for size in range(N_SETS)], sets):
        with pytest.raises(ValueError, match="y: expected one target for each set, got several"):
            read_targets(targets_of_elements, sets)
    with pytest.raises(ValueError, match="y is missing for 1 of 12 sets; the first is set 3"):
        read_known_targets(np.where(np.arange(N_SETS) == 3, np.nan, AGE), sets)


def test_log_odds_keep_their_digits_where_a_class_is_all_but_certain():
    table = np.array([[1e-9, 1 - 1e-9], [0.25, 0.75], [0.0, 1.0]])
    found = log_odds(table, np.array([1, 1, 1]), are_labels=False)
    np.testing.assert_allclose(found[:2], [np.log((1 - 1e-9) / 1e-9), np.log(3)], rtol=1e-12)
    assert 36 < found[2] < 37
    np.testing.assert_allclose(log_odds(table, np.array([0, 0, 0]), are_labels=False)[:2], -found[:2], rtol=1e-12)
    np.testing.assert_allclose(log_odds(table[1:2], np.array([0]), are_labels=True), [np.log(1 / 3)])
