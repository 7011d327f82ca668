import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementRegressor,
    ElementTransformer,
    RaggedSets,
    SetAggregator,
    SetPadder,
)
from sk_deepsets.inspection import element_importance
from sk_deepsets.nn import POOL_TYPES, masked_pool, pack


class MeanNet(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.linear = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        return self.linear(masked_pool(x, "mean", mask))


def by_brute_force(estimator, bags, column_of_set, context=None):
    """Drop each element, predict again."""

    def answers(one_set, number):
        sets = RaggedSets(one_set, [0, len(one_set)], context=None if context is None else context[[number]])
        column = column_of_set[number]
        if not hasattr(estimator, "predict_proba"):
            return np.reshape(estimator.predict(sets), -1)[column]
        (found,) = estimator.predict_proba(sets)
        are_labels = estimator.predict(sets).ndim == 2
        return np.log(found[column]) - np.log(1 - found[column] if are_labels else np.delete(found, column).sum())

    return [
        np.array([answers(bag, number) - answers(np.delete(bag, i, axis=0), number) for i in range(len(bag))])
        for number, bag in enumerate(bags)
    ]


def assert_same(found, expected):
    assert [one.shape for one in found] == [one.shape for one in expected]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-5)


def predicted(estimator, bags):
    return estimator.predict_proba(bags).argmax(axis=1)


@pytest.mark.parametrize("n_members", [1, 8])
@pytest.mark.parametrize("pool_type", [*POOL_TYPES, ("sum", "max", "attention"), "auto"], ids=str)
def test_every_pool_is_taken_apart_as_if_each_element_was_dropped(fit, bags, pool_type, n_members):
    clf = fit(pool_type=pool_type, n_members=n_members)
    found = element_importance(clf, bags[:12], method="occlusion")
    assert_same(found, by_brute_force(clf, bags[:12], predicted(clf, bags[:12])))


def test_the_default_pack_of_several_kinds_is_taken_apart(fit, bags):
    clf = fit("multi-class", max_epochs=30, random_state=1)
    assert len(clf.net_.module_.stacks) > 1
    found = element_importance(clf, bags[:12])
    assert_same(found, by_brute_force(clf, bags[:12], predicted(clf, bags[:12])))
    found = element_importance(clf, bags[:12], target="c")
    assert_same(found, by_brute_force(clf, bags[:12], [2] * 12))


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("kind", ["multi-label", "regression", "several outputs"])
def test_labels_and_values_by_the_number_of_the_output(fit, bags, kind, n_members):
    estimator = fit(kind, n_members=n_members)
    target = None if kind == "regression" else 1
    expected = by_brute_force(estimator, bags[:12], [target or 0] * 12)
    assert_same(element_importance(estimator, bags[:12], target=target), expected)


def test_a_loss_with_a_logarithm_is_explained_in_the_units_of_the_target(fit, bags, targets):
    reg = fit("regression", n_members=1).set_params(loss="poisson").fit(bags, np.abs(targets["regression"]))
    assert_same(element_importance(reg, bags[:12]), by_brute_force(reg, bags[:12], [0] * 12))


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
def test_sets_keep_their_context(fit, bags, fusion_type, n_members):
    context = np.random.default_rng(0).normal(size=(len(bags), 2))
    sets = RaggedSets(np.concatenate(bags), np.cumsum([0, *map(len, bags)]), context=context)
    clf = fit(X=sets, fusion_type=fusion_type, n_members=n_members)
    expected = by_brute_force(clf, bags[:9], predicted(clf, sets[:9]), context)
    assert_same(element_importance(clf, sets[:9]), expected)


@pytest.mark.parametrize(
    "how",
    [
        {"encoder": "equivariant"},
        {"encoder": "equivariant", "n_members": 1},
        {"encoder": "attention", "n_members": 1},
        {"module": MeanNet},
    ],
)
def test_where_elements_depend_on_each_other_each_is_dropped_and_predicted_again(fit, bags, how, monkeypatch):
    clf = fit(**how)
    assert not hasattr(clf, "leave_one_out")
    monkeypatch.setattr("sk_deepsets.inspection._element_importance.ELEMENTS_AT_ONCE", 20)
    assert_same(element_importance(clf, bags[:12]), by_brute_force(clf, bags[:12], predicted(clf, bags[:12])))


def test_pipelines_and_searches_with_any_model_at_the_end(bags, targets):
    y = targets["multi-class"]
    deep = DeepSetsClassifier(max_epochs=2, random_state=0)
    sets = bags[1:9]
    aggregates = make_pipeline(
        SetAggregator(("size", "mean", "max")), SimpleImputer(), LogisticRegression(max_iter=1000)
    )
    for steps in ([ElementTransformer(StandardScaler()), deep], [aggregates]):
        pipe = make_pipeline(*steps).fit(bags, y)
        assert_same(element_importance(pipe, sets), by_brute_force(pipe, sets, predicted(pipe, sets)))
    search = GridSearchCV(deep, {"max_epochs": [2]}, cv=2).fit(bags, y)
    assert_same(element_importance(search, sets), element_importance(search.best_estimator_, sets))


def test_a_step_that_takes_elements_away_leaves_brute_force(bags, targets):
    padder = SetPadder(max_set_size=3, truncate="first")
    pipe = make_pipeline(padder, DeepSetsClassifier(max_epochs=2, random_state=0)).fit(bags, targets["binary"])
    sets = [bag for bag in bags if len(bag) > 3][:4]
    assert_same(element_importance(pipe, sets), by_brute_force(pipe, sets, predicted(pipe, sets)))
    with pytest.raises(ValueError, match="needs a Deep Sets estimator"):
        element_importance(pipe, sets, method="gradient")


def test_importance_goes_back_to_the_rows_of_the_frame(bags, targets):
    frame = pd.DataFrame(np.concatenate(bags), columns=list("abc"))
    frame["bag"] = np.repeat(np.arange(len(bags)), list(map(len, bags)))
    frame["kind"] = pd.Categorical(np.where(frame["a"] > 2, "high", "low"))
    frame = frame.sample(frac=1, random_state=0)
    sets = RaggedSets.from_frame(frame, by="bag", ids=range(len(bags)))
    clf = DeepSetsClassifier(max_epochs=3, random_state=0).fit(sets, targets["binary"])
    for method in ("occlusion", "gradient"):
        found = element_importance(clf, sets, method=method)
        of_rows = sets.to_rows(found)
        assert of_rows.index.equals(frame.index)
        np.testing.assert_array_equal(of_rows[sets[4].index], found[4])


def test_a_table_with_context_goes_through_a_pipeline_that_wants_the_table(bags, targets):
    class WantsTable(DeepSetsClassifier):
        def predict_proba(self, X):
            assert list(X.columns) == ["bag", "age"]
            return super().predict_proba(X)

        @property
        def leave_one_out(self):
            raise AttributeError

    table = pd.DataFrame({"bag": bags, "age": np.arange(len(bags)) / 10}, index=np.arange(len(bags))[::-1])
    clf = WantsTable(max_epochs=2, random_state=0).fit(table, targets["binary"])
    plain = DeepSetsClassifier(max_epochs=2, random_state=0).fit(table, targets["binary"])
    assert_same(element_importance(clf, table[:9]), element_importance(plain, table[:9]))


@pytest.mark.parametrize("n_members", [1, 3])
def test_attention_is_the_weights_of_the_pool(fit, bags, n_members):
    clf = fit(pool_type="attention", n_members=n_members)
    found = element_importance(clf, bags)
    np.testing.assert_allclose([one.sum() for one in found], [float(len(bag) > 0) for bag in bags], atol=1e-6)
    if n_members == 1:
        some = [bag for bag in bags if len(bag)][:8]
        # the embedding is the mean of those of the single elements with these weights
        alone = [clf.transform(bag[:, None]) for bag in some]
        expected = [weights @ one for weights, one in zip(element_importance(clf, some), alone, strict=True)]
        np.testing.assert_allclose(clf.transform(some), expected, atol=1e-5)
    beside = fit(pool_type=("mean", "attention"), n_members=n_members)
    assert np.ptp(element_importance(beside, bags, method="attention")[4]) > 0
    heads = fit(pool_type="pma", n_members=n_members)
    found = element_importance(heads, bags)
    np.testing.assert_allclose([one.sum() for one in found], [float(len(bag) > 0) for bag in bags], atol=1e-6)
    if n_members == 1:
        # the softmax of each head, by hand from what it takes of each element
        net = heads.net_.module_
        hidden = net.encode(None)(pack(torch.from_numpy(bags[4]).unsqueeze(0)))
        shares = net.pooling.pools[0].project(hidden)[:, net.pooling.output_dim :].softmax(dim=0)
        np.testing.assert_allclose(found[4], shares.mean(dim=1).detach().numpy(), rtol=1e-4)
    assert_same(element_importance(beside, bags), element_importance(beside, bags, method="occlusion"))


@pytest.mark.parametrize("kind", ["multi-class", "multi-label", "regression", "several outputs"])
@pytest.mark.parametrize("how", [{"n_members": 1}, {"n_members": 3}, {"module": MeanNet}], ids=str)
def test_gradients_add_up_to_the_difference_from_mean_elements(fit, bags, kind, how):
    estimator = fit(kind, activation="tanh", pool_type=("mean", "sum"), **how)
    target = {"multi-class": "b", "regression": None}.get(kind, 1)
    found = element_importance(estimator, bags, method="gradient", target=target)
    mean = np.concatenate(bags).mean(axis=0)
    at_mean = [np.tile(mean, (len(bag), 1)) for bag in bags]

    def answer(X):
        table = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
        return table if table.ndim == 1 else table[:, 1]

    difference = answer(bags) - answer(at_mean)
    share = 0.2 if "n_members" in how and how["n_members"] > 1 else 0.05  # intervals have kinks between the steps
    np.testing.assert_allclose([one.sum() for one in found], difference, atol=share * np.abs(difference).max())


def test_gradient_of_a_linear_model_is_the_weight_times_the_distance_from_the_mean(fit, bags):
    reg = fit("regression", phi_hidden_dims=(), rho_hidden_dims=(), pool_type="mean", n_members=1, max_epochs=1)
    zero, *units = reg.predict([np.zeros((1, 3)), *(row[None] for row in np.eye(3))])
    weights = np.array(units) - zero
    mean = np.concatenate(bags).mean(axis=0)
    expected = [(bag - mean) @ weights / max(len(bag), 1) for bag in bags]
    assert_same(element_importance(reg, bags, method="gradient"), expected)


def test_auto_explains_the_target_that_is_asked_for(fit, bags):
    clf = fit(pool_type="attention", n_members=1)
    assert_same(element_importance(clf, bags, target="yes"), element_importance(clf, bags, "occlusion", "yes"))
    assert_same(element_importance(clf, bags), clf.attention(bags))


def test_where_a_class_is_certain_log_odds_still_tell_elements_apart(bags, targets):
    full = [bag for bag in bags if len(bag) > 2]
    y = np.array([bag[:, 0].sum() > 6 for bag in full])
    clf = DeepSetsClassifier(
        phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", standardize=False, n_members=1, max_epochs=1
    ).fit(full, y)
    layer = clf.net_.module_.rho[-1]
    with torch.no_grad():  # log-odds of 30 times the first feature's sum
        layer.weight.zero_()
        layer.bias.zero_()
        layer.weight[1, 0] = 30 / clf.net_.module_.pooling.sum_scale
    bag = np.array([[5.0, 0, 0], [3.0, 0, 0], [4.0, 0, 0]])
    assert clf.predict_proba([bag])[0, 1] == 1
    np.testing.assert_allclose(element_importance(clf, [bag], target=True)[0], [150, 90, 120], rtol=1e-4)
    np.testing.assert_allclose(element_importance(clf, [bag], target=False)[0], [-150, -90, -120], rtol=1e-4)


def test_labels_of_a_forest_are_explained(bags, targets):
    pipe = make_pipeline(
        SetAggregator(("size", "max")), SimpleImputer(), RandomForestClassifier(5, max_depth=2, random_state=0)
    )
    pipe.fit(bags, targets["multi-label"])
    found = element_importance(pipe, bags[2:5], target=1)
    for bag, one in zip(bags[2:5], found, strict=True):
        smaller = [np.delete(bag, place, axis=0) for place in range(len(bag))]
        p, q = (np.clip(pipe.predict_proba(sets)[1][:, 1], 2.3e-16, 1 - 2.3e-16) for sets in ([bag], smaller))
        np.testing.assert_allclose(one, np.log(p / (1 - p)) - np.log(q / (1 - q)), rtol=0.1)


@pytest.mark.parametrize("n_members", [1, 3])
def test_a_large_set_is_taken_apart_in_chunks(fit, bags, monkeypatch, n_members):
    clf = fit("multi-class", n_members=n_members)
    large = [np.concatenate(bags)[:28]]
    expected = element_importance(clf, large)
    monkeypatch.setattr("sk_deepsets.nn._leave_one_out.chunk_size", lambda encoder, device: 3)
    assert_same(element_importance(clf, large), expected)


def test_what_cannot_be_explained_is_refused(fit, bags, targets):
    clf = fit("multi-class")
    with pytest.raises(ValueError, match=r"target='d' is not among the classes \['a', 'b', 'c'\]"):
        element_importance(clf, bags, target="d")
    with pytest.raises(ValueError, match='needs a Deep Sets estimator with pool_type="attention"'):
        element_importance(clf, bags, method="attention")
    with pytest.raises(ValueError, match="There are 2 outputs: name one, such as target=0"):
        element_importance(fit("multi-label"), bags)
    with pytest.raises(ValueError, match="is not among the outputs"):
        element_importance(fit("several outputs"), bags, target=2)
    with pytest.raises(ValueError, match="is the same for all targets"):
        element_importance(fit(pool_type="attention"), bags, method="attention", target="yes")
    each = DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    with pytest.raises(TypeError, match="DeepSetsElementRegressor gives one per element"):
        element_importance(each, bags)
    with pytest.raises(ValueError, match="'method' parameter"):
        element_importance(clf, bags, method="guess")


def test_sets_without_elements_have_nothing_that_matters(fit):
    clf = fit()
    empty = [np.empty((0, 3))] * 2
    assert [one.shape for one in element_importance(clf, empty)] == [(0,), (0,)]
    assert [one.shape for one in element_importance(fit(module=MeanNet), empty)] == [(0,), (0,)]
