import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import ElementTransformer, RaggedSets, SetAggregator
from sk_deepsets.inspection import critical_elements


@pytest.mark.parametrize(
    "params", [{}, {"phi_hidden_dims": (5, 6)}, {"pool_type": ("max",)}, {"n_members": 8, "max_epochs": 9}], ids=str
)
def test_the_critical_elements_give_the_same_answer_and_each_holds_a_maximum(fit, bags, params):
    clf = fit(**{"pool_type": "max", "n_members": 1} | params)
    kept = critical_elements(clf, bags)
    less = [bag[places] for bag, places in zip(bags, kept, strict=True)]
    assert any(len(one) < len(bag) for one, bag in zip(less, bags, strict=True))
    assert [len(places) for places, bag in zip(kept, bags, strict=True) if not len(bag)] == [0] * sum(
        not len(bag) for bag in bags
    )
    np.testing.assert_allclose(clf.predict_proba(less), clf.predict_proba(bags), atol=1e-6)
    np.testing.assert_allclose(clf.transform(less), clf.transform(bags), atol=1e-6)
    for one, pooled in zip(less, clf.transform(bags), strict=True):
        if len(one):  # each of them holds the maximum of a feature
            assert (clf.transform(one[:, None]) >= pooled - 1e-6).any(axis=1).all()


def test_the_holder_of_each_maximum_is_found_without_phi(fit, bags):
    clf = fit(pool_type="max", n_members=1, phi_hidden_dims=())
    for bag, places in zip(bags, critical_elements(clf, bags), strict=True):
        expected = np.unique(bag.argmax(axis=0)) if len(bag) else []
        np.testing.assert_array_equal(places, expected)


def test_sets_with_context_categories_and_a_pipeline(bags, targets, fit):
    frame = pd.DataFrame(np.concatenate(bags), columns=list("abc"))
    frame["kind"] = np.where(frame["a"] > 2, "high", "low")
    context = pd.DataFrame({"age": np.arange(len(bags)) / 10})
    sets = RaggedSets(frame, np.cumsum([0, *map(len, bags)]), context=context)
    clf = fit(X=sets, pool_type="max", n_members=1)
    kept = critical_elements(clf, sets)
    flat = np.concatenate([start + places for start, places in zip(sets.offsets[:-1], kept, strict=True)])
    less = RaggedSets(frame.iloc[flat], np.cumsum([0, *map(len, kept)]), context=context)
    np.testing.assert_allclose(clf.predict_proba(less), clf.predict_proba(sets), atol=1e-6)
    deep = fit(pool_type="max", n_members=1)
    pipe = make_pipeline(ElementTransformer(StandardScaler()), deep).fit(bags, targets["binary"])
    less = [bag[places] for bag, places in zip(bags, critical_elements(pipe, bags), strict=True)]
    np.testing.assert_allclose(pipe.predict_proba(less), pipe.predict_proba(bags), atol=1e-6)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"pool_type": "sum"}, "pool_type is 'sum'"),
        ({"pool_type": ("max", "mean")}, "pool_type is"),
        ({"pool_type": "max", "encoder": "equivariant"}, "phi sees all elements"),
    ],
)
def test_what_depends_on_all_elements_is_refused_with_the_way_out(fit, bags, params, why):
    clf = fit(**{"n_members": 1} | params)
    with pytest.raises(ValueError, match=why) as error:
        critical_elements(clf, bags)
    assert 'DeepSetsClassifier(pool_type="max")' in str(error.value)


def test_members_that_see_statistics_as_in_files_of_old_are_refused(fit, bags):
    clf = fit(pool_type="max", n_members=4)
    for stack in clf.net_.module_.stacks:
        stack.variant = stack.variant._replace(statistics=("clipped",))
    with pytest.raises(ValueError, match="statistics of the set"):
        critical_elements(clf, bags)


def test_a_model_without_a_pool_is_refused(bags, targets):
    full = [bag for bag in bags if len(bag)]
    y = targets["binary"][[len(bag) > 0 for bag in bags]]
    pipe = make_pipeline(SetAggregator(("mean",)), LogisticRegression()).fit(full, y)
    with pytest.raises(ValueError, match="LogisticRegression has no pool"):
        critical_elements(pipe, full)
