import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsElementClassifier, DeepSetsRegressor, ElementTransformer, RaggedSets, check_sets
from sk_deepsets.inspection import feature_importance
from sk_deepsets.inspection._feature_importance import _permute_sizes


class Formula(RegressorMixin, BaseEstimator):
    """Predicts what a function says of each set, and of its context."""

    def __init__(self, function):
        self.function = function

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        sets = check_sets(X, dtype=None, ensure_min_elements=0)
        context = [None] * len(sets) if sets.context is None else np.asarray(sets.context, dtype=float)
        return np.array([self.function(np.asarray(one), z) for one, z in zip(sets, context, strict=True)], dtype=float)

    def __sklearn_is_fitted__(self):
        return True


def test_only_what_the_answer_depends_on_matters(bags):
    for function, important in (
        (lambda one, z: one[:, 1].mean() if len(one) else 0, "x1"),
        (lambda one, z: len(one), "set size"),
    ):
        formula = Formula(function)
        found = feature_importance(formula, bags, formula.predict(bags), n_repeats=3, random_state=0)
        assert found.feature_names.tolist() == ["x0", "x1", "x2", "set size"]
        assert found.kinds.tolist() == ["element"] * 3 + ["size"]
        others = found.feature_names != important
        assert found.importances_mean[~others] > 0.5
        if important == "set size":
            assert (found.importances[others] == 0).all()
        else:
            assert (found.importances[[0, 2]] == 0).all()
        assert found.importances.shape == (4, 3)
        np.testing.assert_allclose(found.importances_mean, found.importances.mean(axis=1))
        np.testing.assert_allclose(found.importances_std, found.importances.std(axis=1))


def test_with_one_element_per_set_it_is_the_importance_of_scikit_learn():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 3))
    y = table @ [1, 2, 0]
    formula = Formula(lambda one, z: one[0] @ [1, 2, 0])

    class OfRows(Formula):
        def predict(self, X):
            return super().predict(np.asarray(X)[:, None])

    ours = feature_importance(formula, table[:, None], y, n_repeats=200, random_state=0)
    theirs = permutation_importance(OfRows(formula.function), table, y, n_repeats=200, random_state=0)
    np.testing.assert_allclose(ours.importances_mean[:3], theirs.importances_mean, atol=0.05)
    assert (ours.importances[3] == 0).all()


def test_columns_have_their_names_and_context_is_permuted_across_sets(bags):
    frame = pd.DataFrame(np.concatenate(bags), columns=["a", "b", "c"])
    frame["kind"] = pd.Categorical(np.where(frame["a"] > 0, "high", "low"))
    context = pd.DataFrame({"age": np.arange(len(bags)), "noise": 1.0})
    sets = RaggedSets(frame, np.cumsum([0, *map(len, bags)]), context=context)
    formula = Formula(lambda one, z: z[0])
    found = feature_importance(formula, sets, formula.predict(sets), random_state=0)
    assert found.feature_names.tolist() == ["a", "b", "c", "kind", "age", "noise", "set size"]
    assert found.kinds.tolist() == ["element"] * 4 + ["context"] * 2 + ["size"]
    assert found.importances_mean.argmax() == 4
    assert (np.delete(found.importances, 4, axis=0) == 0).all()
    assert frame.equals(sets.elements)


def test_a_table_and_a_pipeline(bags, targets):
    table = pd.DataFrame({"bag": bags, "age": np.arange(len(bags)) / 10})
    pipe = make_pipeline(ElementTransformer(StandardScaler()), DeepSetsRegressor(max_epochs=30, random_state=0))
    pipe.fit(table, targets["regression"])
    found = feature_importance(pipe, table, targets["regression"], random_state=0, scoring="neg_mean_absolute_error")
    assert found.feature_names.tolist() == ["x0", "x1", "x2", "age", "set size"]
    assert found.importances_mean.argmax() == 0
    again = feature_importance(pipe, table, targets["regression"], random_state=0, scoring="neg_mean_absolute_error")
    np.testing.assert_array_equal(again.importances, found.importances)


def test_an_estimator_of_elements_has_no_size_to_permute(bags):
    y = [(bag[:, 0] > 2).astype(int) for bag in bags]
    clf = DeepSetsElementClassifier(n_members=1, max_epochs=20, random_state=0).fit(bags, y)
    found = feature_importance(clf, bags, y, random_state=0)
    assert found.feature_names.tolist() == ["x0", "x1", "x2"]
    assert found.importances_mean.argmax() == 0


@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_exchanged_and_the_elements_of_a_set_stay_its_own(bags, seed):
    sets = check_sets(bags)
    other = _permute_sizes(sets, 0, np.random.RandomState(seed))
    assert sorted(other.sizes) == sorted(sets.sizes)
    np.testing.assert_array_equal(other.sizes == 0, sets.sizes == 0)
    for before, after in zip(sets, other, strict=True):
        kinds, counts = np.unique(after, axis=0, return_counts=True)
        assert {tuple(row) for row in kinds} <= {tuple(row) for row in before}
        if len(before):  # each as often as the others, or once more
            whole, rest = divmod(len(after), len(before))
            assert sorted(counts) == sorted([whole] * (len(before) - rest) * (whole > 0) + [whole + 1] * rest)
        if len(before) == len(after):
            np.testing.assert_array_equal(before, after)
