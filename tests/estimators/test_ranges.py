import warnings

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor, RaggedSets
from sk_deepsets.estimators import FarSetWarning
from sk_deepsets.estimators._ranges import (
    FAR,
    column_range,
    column_ranges,
    extremes,
    size_range,
    warn_of_far_sets,
)
from sk_deepsets.inspection import check_invariance, element_importance, feature_importance
from sk_deepsets.io import load, save
from sk_deepsets.preprocessing import SetEncoder
from sk_deepsets.sets import _mapped


@pytest.fixture
def reg(bags, values):
    """Trained on sets of 1 to 7 elements."""
    return DeepSetsRegressor(max_epochs=2, random_state=0).fit(bags, values)


def test_the_range_is_of_the_sets_with_elements(reg):
    assert reg.size_range_ == (1, 7)
    assert size_range(np.array([2, 0, 3])) == (2, 3)
    assert size_range(np.array([2]), (4, 5)) == (2, 5)


def test_sets_of_other_sizes_pass_without_a_word_and_far_larger_ones_with_a_warning(reg):
    sets = [np.ones((size, 3)) for size in (0, 1, 28)]
    reg.predict(sets)
    with pytest.warns(
        UserWarning, match=r"Set 3 has 29 elements, but .* largest has 7 \(1 set is .* for it are guesses"
    ) as caught:
        reg.predict([*sets, np.ones((29, 3))])
    assert caught[0].filename == __file__


def test_far_smaller_sets_are_warned_of_and_empty_ones_are_not(bags):
    bags = [np.tile(bag, (9, 1)) for bag in bags]
    reg = DeepSetsRegressor(max_epochs=2, random_state=0).fit(bags, np.arange(len(bags)))
    assert reg.size_range_ == (9, 63)
    reg.predict([bags[0][:3], bags[0][:0]])
    with pytest.warns(
        UserWarning, match=r"Set 1 has 2 elements, but .* smallest has 9 \(2 sets are .* for them are guesses"
    ):
        reg.predict([bags[0][:3], bags[0][:2], bags[0][:1]])


def test_what_is_linear_in_a_sum_or_a_maximum_is_right_for_any_size(bags, values):
    linear = {"rho_hidden_dims": (), "pool_type": "sum", "n_members": 1, "max_epochs": 2}
    DeepSetsRegressor(**linear).fit(bags, values).predict([np.ones((900, 3))])
    # a maximum is that of a few elements, however many others there are
    DeepSetsRegressor(pool_type=("max", "min"), n_members=1, max_epochs=2).fit(bags, values).predict(
        [np.ones((900, 3))]
    )
    DeepSetsRegressor(**linear | {"n_members": 3}).fit(bags, values).predict([np.ones((900, 3))])
    for other in ({"rho_hidden_dims": (4,)}, {"pool_type": "mean"}, {"encoder": "equivariant"}):
        reg = DeepSetsRegressor(**linear | other).fit(bags, values)
        with pytest.warns(UserWarning, match="Set 0 has 900 elements"):
            reg.predict([np.ones((900, 3))])


def test_the_range_grows_where_training_goes_on(bags, values):
    reg = DeepSetsRegressor(n_members=1)
    small = [bag[:3] for bag in bags]
    reg.partial_fit(small, values)
    assert reg.size_range_ == (1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reg.partial_fit([*bags[:-1], np.ones((20, 3))], values)
    assert reg.size_range_ == (1, 20)
    assert reg.set_params(warm_start=False, max_epochs=1).fit(small, values).size_range_ == (1, 3)


def test_estimators_of_elements_warn_too(bags):
    each = DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    with pytest.warns(UserWarning, match="Set 0 has 29 elements") as caught:
        each.predict([np.ones((29, 3))])
    assert caught[0].filename == __file__


QUICK = {"max_epochs": 2, "n_members": 1, "random_state": 0}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def table(bags):
    """Sets with a column of kinds beside a context with ages from 20 to 80, a constant and towns."""
    frames = [pd.DataFrame(bag, columns=list("abc")).assign(kind="tea", one=1.0) for bag in bags]
    ages = np.r_[20, 80, RNG.uniform(20, 80, len(bags) - 2)]
    towns = pd.Categorical(RNG.choice(["a", "b"], len(bags)))
    return pd.DataFrame({"age": ages, "year": 2024, "town": towns, "sets": pd.Series(frames)})


@pytest.fixture(scope="module")
def of_table(table, values):
    return DeepSetsRegressor(**QUICK).fit(table, values)


def only(caught):
    """The text of the only warning."""
    assert [one.category for one in caught] == [FarSetWarning]
    return str(caught[0].message)


def far_value(reg, X):
    with pytest.warns(FarSetWarning) as caught:
        reg.predict(X)
    assert caught[0].filename == __file__
    return only(caught)


def test_context_in_another_unit_is_told_with_set_value_and_range(of_table, table):
    text = far_value(of_table, table.assign(age=table["age"].where(table.index != 7, 8000)))
    assert text.startswith(
        "Set 7 has 8000 in the context column 'age', where the training sets have 20 to 80 (1 set is"
    )
    assert "90 sets are" in far_value(of_table, table.assign(age=100 * table["age"]))


def test_features_of_elements_are_told_with_the_set_and_other_columns_are_counted(of_table, table, bags):
    sets = table["sets"].copy()
    sets[3] = sets[3].assign(b=1e4, c=-1e4)
    text = far_value(of_table, table.assign(sets=sets))
    assert "Set 3 has 10000 in the element column 'b', where" in text
    assert "(1 more column is far)" in text
    plain = DeepSetsRegressor(**QUICK).fit(bags, np.arange(90))
    assert "in the element column 2, where" in far_value(plain, [bags[0], 1e4 * np.eye(3)[2:]])


def test_everything_that_is_far_is_one_warning(of_table, table):
    sets = table["sets"].copy()
    sets[3] = pd.concat([sets[3].assign(a=1e5)] * 50)
    text = far_value(of_table, table.assign(sets=sets, age=table["age"].where(table.index != 5, -9999)))
    assert [text.count(part) for part in ("elements, but", "column 'a'", "column 'age'", "(2 sets are")] == [1] * 4


@pytest.mark.parametrize("factor", [-1, 1])
def test_far_is_more_than_so_many_ranges_outside(of_table, table, factor):
    edge = (80 if factor > 0 else 20) + factor * FAR * 60
    of_table.predict(table.assign(age=edge - factor * 1e-3))
    assert "column 'age'" in far_value(of_table, table.assign(age=edge + factor * 1e-3))


def test_constant_columns_and_categories_have_no_range(of_table, table):
    frames = pd.Series([frame.assign(kind="other", one=500.0) for frame in table["sets"]])
    of_table.predict(table.assign(year=99999, town=pd.Categorical(["z"] * 90), sets=frames))


@pytest.mark.parametrize("shape", [(1, 3), (63, 3), (64, 3), (65, 3), (500, 1), (200, 0)])
def test_the_extremes_of_each_column_are_those_of_numpy(shape):
    rows = np.random.default_rng(0).normal(size=(shape[0], shape[1] + 2))[:, 2:]  # which are not contiguous
    lowest, highest = extremes(rows)
    np.testing.assert_array_equal(lowest, rows.min(axis=0))
    np.testing.assert_array_equal(highest, rows.max(axis=0))


def test_the_range_is_that_of_the_values_of_columns_that_vary():
    values = RNG.normal(size=(1000, 1))
    rare = np.r_[np.zeros((950, 1)), RNG.normal(size=(50, 1))]
    found = column_range(np.c_[values, rare, np.full((1000, 1), 7.0)])
    np.testing.assert_allclose(found[:, 0], [values.min(), values.max()], atol=0.02)
    assert found[0, 0] < values.min()
    assert found[1, 0] > values.max()
    assert np.isnan(found[:, 1:]).all()
    more = column_range(np.c_[np.full((9, 2), np.arange(9.0)[:, None]), np.ones(9)], found)
    np.testing.assert_allclose(more, [[found[0, 0], 0, np.nan], [8, 8, np.nan]])
    assert np.isnan(column_range(np.empty((0, 2)))).all()


def test_piece_by_piece_the_ranges_and_the_far_values_are_those_of_the_whole(monkeypatch):
    sizes, used = RNG.integers(0, 4, 50), np.arange(0, 50, 2)
    sets = RaggedSets(RNG.normal(size=(sizes.sum(), 2)), np.r_[0, sizes.cumsum()], context=RNG.normal(size=(50, 1)))
    encoder = SetEncoder().fit(sets)
    wanted = column_ranges(encoder.number_columns(sets[used]), {}, np.arange(25))
    far = sets.replace(sets.elements * np.where(np.arange(len(sets.elements)) % 9 == 5, 50, 1)[:, None])
    monkeypatch.setattr(_mapped, "VALUES_AT_ONCE", 8)
    found = column_ranges(encoder.number_columns(sets), {}, used)
    for what in ("element", "context"):
        np.testing.assert_array_equal(found[what], wanted[what])
    texts = []
    for at_once in (8, 1_000):
        monkeypatch.setattr(_mapped, "VALUES_AT_ONCE", at_once)
        with pytest.warns(FarSetWarning) as caught:
            warn_of_far_sets(far, encoder.number_columns(far), None, found, 1)
        texts.append(str(caught[0].message))
    assert texts[0] == texts[1]


def test_ranges_grow_where_training_goes_on_and_leave_out_sets_without_weight(bags, values):
    far = [*bags[:-1], np.full((2, 3), 200.0)]
    weighted = DeepSetsRegressor(**QUICK).fit(far, values, sample_weight=np.arange(90) < 89)
    assert "Set 89" in far_value(weighted, far)
    DeepSetsRegressor(**QUICK).partial_fit(bags, values).partial_fit(far, values).predict(far)
    reg = DeepSetsRegressor(**QUICK, warm_start=True).fit(bags, values)
    reg.fit(far, values).predict(far)
    far_value(reg.set_params(warm_start=False).fit(bags, values), far)


def test_files_keep_the_ranges(of_table, table, tmp_path):
    save(of_table, tmp_path / "model")
    loaded = load(tmp_path / "model")
    far = table.assign(age=8000)
    assert far_value(loaded, far) == far_value(of_table, far)


def test_inspection_warns_of_the_sets_of_the_user_once(bags, values):
    far = [*bags[:19], np.tile(bags[19] + 1e3, (40, 1))]
    reg = DeepSetsRegressor(**QUICK | {"n_members": 4}).fit(bags, values)
    deep = DeepSetsRegressor(**QUICK, encoder="equivariant").fit(bags, values)
    clf = DeepSetsClassifier(**QUICK).fit(bags, values > values.mean())
    for look in (
        lambda: feature_importance(reg, far, values[:20], n_repeats=2),
        lambda: element_importance(reg, far),
        lambda: element_importance(clf, far[::-1]),
        lambda: element_importance(deep, far),
        lambda: check_invariance(reg, far),
    ):
        with pytest.warns(FarSetWarning) as caught:
            look()
        only(caught)
    check_invariance(reg, bags)  # which makes larger sets


@pytest.mark.parametrize("estimator", [DeepSetsRegressor, DeepSetsElementRegressor])
def test_validation_sets_that_miss_a_step_are_told(bags, values, estimator):
    raw = [5 + 2 * bag for bag in bags]
    scaled = [(bag - 2) / 3 for bag in bags]
    y = values if estimator is DeepSetsRegressor else [bag[:, 0] for bag in bags]
    make = estimator(max_epochs=2, random_state=0)
    with pytest.warns(UserWarning, match=r"X_val is far from X: in the element column 0 .*transform_input") as caught:
        make.fit(scaled[:60], y[:60], X_val=raw[60:], y_val=y[60:])
    assert {one.filename for one in caught} == {__file__}
    make.fit(scaled[:60], y[:60], X_val=scaled[60:], y_val=y[60:])


def test_a_context_of_validation_sets_in_another_unit_is_told(table, values):
    reg = DeepSetsRegressor(**QUICK)
    with pytest.warns(UserWarning, match="X_val is far from X: in the context column 'age' it has mean"):
        reg.fit(table[:60], values[:60], X_val=table[60:].assign(age=600), y_val=values[60:])
    reg.fit(table[:60], values[:60], X_val=table[60:].assign(year=2026), y_val=values[60:])
