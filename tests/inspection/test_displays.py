"""The displays: what they draw is what was computed."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsElementRegressor, DeepSetsSurvival, ElementTransformer
from sk_deepsets.inspection import (
    ElementImportanceDisplay,
    EmbeddingDisplay,
    FeatureImportanceDisplay,
    LossCurveDisplay,
    SetSizeDisplay,
    element_importance,
    feature_importance,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def assert_on(display, ax):
    """A display draws on the axes that it is given, and all of it can be rendered."""
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    display.figure_.canvas.draw()


@pytest.mark.parametrize("n_members", [1, 3])
def test_losses_are_those_of_the_history_with_the_best_epoch(fit, bags, n_members):
    clf = fit(max_epochs=9, n_members=n_members, early_stopping=True)
    _, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(clf, ax=ax, linewidth=3)
    assert_on(display, ax)
    drawn = [line.get_ydata().tolist() for line in display.lines_]
    assert drawn == [[row[name] for row in clf.history_ if name in row] for name in ("train_loss", "valid_loss")]
    assert len(drawn[1]) == (9 if n_members == 1 else 8)  # the seventh epoch has no candidates
    assert display.lines_[1].get_xdata().tolist() == [row["epoch"] for row in clf.history_ if "valid_loss" in row]
    assert {line.get_linewidth() for line in display.lines_} == {3}
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown[-1].endswith(f"epoch {clf.best_iteration_}")


def test_displays_name_the_risk_and_the_score_of_survival(bags):
    y = pd.DataFrame({"event": np.arange(60) % 2 == 0, "time": np.arange(1.0, 61.0)})
    model = DeepSetsSurvival(n_members=1, max_epochs=2, random_state=0).fit(bags, y)
    display = ElementImportanceDisplay.from_estimator(model, bags, 3, kind="ranked")
    assert display.ax_.get_xlabel() == "change of the log risk"
    assert display.ax_.get_title() == f"set 3: the log risk is {model.predict(bags)[3]:.4g}"
    shown = FeatureImportanceDisplay.from_estimator(make_pipeline(model), bags, y, n_repeats=1)
    assert shown.ax_.get_xlabel().startswith("fall of the concordance index when permuted")


def test_without_validation_there_is_one_curve_and_no_best_epoch(fit, bags):
    clf = fit(n_members=1, early_stopping=False)
    display = LossCurveDisplay.from_estimator(make_pipeline(clf))
    assert len(display.lines_) == 1
    assert display.best_iteration is None


def test_ranked_elements_are_bars_in_the_order_of_their_importance(fit, bags):
    clf = fit()
    number = int(np.argmax([len(bag) for bag in bags]))
    _, ax = plt.subplots()
    display = ElementImportanceDisplay.from_estimator(clf, bags, number, kind="ranked", ax=ax, max_elements=4)
    assert_on(display, ax)
    expected = element_importance(clf, bags)[number]
    np.testing.assert_allclose(display.importance, expected, atol=1e-5)
    widths = [bar.get_width() for bar in ax.patches]
    strongest = np.argsort(-np.abs(expected))[:4]
    np.testing.assert_allclose(widths, np.sort(expected[strongest])[::-1], atol=1e-5)
    assert "the 4 most important of 7 elements" in ax.get_title()
    assert ax.get_yticklabels()[0].get_text().endswith(f"[{strongest[expected[strongest].argmax()]}]")


@pytest.mark.parametrize(
    ("width", "kind"), [(2, "points"), (3, "points"), (5, "ranked"), (16, "images"), (17, "ranked")]
)
def test_the_picture_follows_from_the_features(width, kind):
    elements = np.random.default_rng(0).normal(size=(6, width))
    display = ElementImportanceDisplay(elements, np.arange(6.0) - 2).plot()
    display.figure_.canvas.draw()
    ax = display.ax_
    assert len(ax.images) == (6 if kind == "images" else 0)
    assert len(ax.collections) == (kind == "points")
    assert (ax.name == "3d") == (width == 3)
    if kind == "points":
        assert sorted(ax.collections[0].get_array()) == [-2, -1, 0, 1, 2, 3]
    if kind == "images":
        np.testing.assert_array_equal(ax.images[2].get_array(), elements[3].reshape(4, 4))  # the third largest


def test_a_picture_says_which_class_and_which_score(fit, bags, targets):
    number = int(np.argmax([len(bag) for bag in bags]))
    clf = fit("multi-class")
    (p,) = clf.predict_proba([bags[number]])
    display = ElementImportanceDisplay.from_estimator(clf, bags, number, target="c", kind="ranked")
    assert display.ax_.get_xlabel() == "change of the log-odds of class 'c'"
    assert display.ax_.get_title() == f"set {number}: the probability of class 'c' is {p[2]:.3g}"
    display = ElementImportanceDisplay.from_estimator(clf, bags, number, kind="ranked")
    assert f"class {clf.classes_[p.argmax()]!s}".replace("class ", "class '") in display.ax_.get_xlabel()
    display = ElementImportanceDisplay.from_estimator(clf, bags, number, method="gradient", target="a")
    assert [axes.get_ylabel() for axes in display.figure_.axes][-1] == "share of the probability of class 'a'"
    display = ElementImportanceDisplay.from_estimator(fit("multi-label"), bags, number, target=1, kind="ranked")
    assert display.ax_.get_xlabel() == "change of the log-odds of label 1"
    display = ElementImportanceDisplay.from_estimator(fit("regression"), bags, number, kind="ranked")
    assert display.ax_.get_xlabel() == "change of the prediction"
    assert "the prediction is" in display.ax_.get_title()
    with pytest.raises(IndexError, match="number=60, but X has 60 sets"):
        ElementImportanceDisplay.from_estimator(clf, bags, 60)
    shown = FeatureImportanceDisplay.from_estimator(clf, bags, targets["multi-class"], n_repeats=1, max_features=2)
    assert shown.ax_.get_title() == "the 2 most important of 4 columns"
    assert shown.ax_.get_xlabel().startswith("fall of the accuracy when permuted")
    assert EmbeddingDisplay.from_estimator(clf, bags).ax_.get_legend().get_title().get_text() == "prediction"


def test_images_are_in_the_order_of_their_importance_with_numbers():
    elements = np.random.default_rng(0).normal(size=(50, 16))
    importance = np.random.default_rng(1).normal(size=50)
    ax = ElementImportanceDisplay(elements, importance, title="set 3").plot(kind="images").ax_
    strongest = np.argsort(-np.abs(importance))[:20]
    expected = strongest[np.argsort(-importance[strongest])]
    assert [text.get_text() for text in ax.texts] == [f"[{place}]  {importance[place]:.2g}" for place in expected]
    np.testing.assert_array_equal(ax.images[0].get_array(), elements[expected[0]].reshape(4, 4))
    assert ax.get_title() == "set 3\nthe 20 most important of 50 elements"


def test_labels_show_the_columns_that_tell_elements_apart():
    elements = np.ones((30, 6))
    elements[:, 0] = 1e6
    elements[4, 5] = 9  # only the most important element differs
    elements[:, 3] = np.arange(30)
    importance = np.zeros(30)
    importance[4] = 1
    display = ElementImportanceDisplay(elements, importance).plot(kind="ranked", max_elements=3)
    assert display.ax_.get_yticklabels()[0].get_text() == "x0=1e+06, x3=4, x5=9, …  [4]"
    frame = pd.DataFrame({"same": 1.0, "also": "z", "age": np.arange(30), "kind": ["b"] * 29 + ["c"], "too": 2})
    labels = ElementImportanceDisplay(frame, np.arange(30.0)).plot(kind="ranked").ax_.get_yticklabels()
    assert labels[0].get_text() == "same=1, age=29, kind=c, …  [29]"


def test_point_clouds_have_equal_axes():
    points = np.random.default_rng(0).normal(size=(20, 2)) * [10, 1]
    assert ElementImportanceDisplay(points, np.ones(20)).plot().ax_.get_aspect() == 1
    assert ElementImportanceDisplay(np.c_[points, points[:, 0]], np.ones(20)).plot().ax_.get_aspect() == "equal"


def test_displays_read_targets_as_score_does(fit, bags, targets):
    clf, reg, sets = fit(), fit("regression"), pd.Series(bags, index=[f"s{i}" for i in range(len(bags))])
    for estimator, y in ((clf, targets["binary"]), (reg, targets["regression"])):
        expected = SetSizeDisplay.from_estimator(estimator, bags, y).errors
        for same in (y[:, None], pd.Series(y, index=sets.index), y.tolist(), pd.DataFrame({"y": y})):
            np.testing.assert_allclose(SetSizeDisplay.from_estimator(estimator, bags, same).errors, expected)
        in_other_order = pd.Series(y, index=sets.index)[::-1]
        for display in (SetSizeDisplay, EmbeddingDisplay):
            with pytest.raises(ValueError, match="labels of the sets in another order"):
                display.from_estimator(estimator, sets, in_other_order)
            with pytest.raises(ValueError, match="X has 60 sets, but y has 59 targets"):
                display.from_estimator(estimator, bags, y[:-1])
    with pytest.raises(ValueError, match=r"y has shape \(60, 2\); expected \(60,\)"):
        SetSizeDisplay.from_estimator(clf, bags, targets["multi-label"])
    with pytest.raises(ValueError, match="one colour per set"):
        EmbeddingDisplay.from_estimator(clf, bags, targets["multi-label"])
    survival = np.array([(True, 1.0)] * len(bags), dtype=[("event", bool), ("time", float)])
    with pytest.raises(ValueError, match=r"y has the fields \['event', 'time'\], but expected one colour per set"):
        EmbeddingDisplay.from_estimator(clf, bags, survival)
    assert EmbeddingDisplay.from_estimator(reg, bags, targets["regression"][:, None]).target.shape == (60,)


def test_sets_in_frames_and_tables_are_labelled_by_their_columns(fit, bags):
    table = pd.DataFrame({"bag": [pd.DataFrame(bag, columns=list("abc")).assign(kind="x") for bag in bags], "z": 1.0})
    number = int(np.argmax([len(bag) for bag in bags]))
    display = ElementImportanceDisplay.from_estimator(fit(X=table), table, number)
    assert len(display.importance) == 7
    label = display.ax_.get_yticklabels()[0].get_text()
    assert label.startswith("a=")
    assert ", …  [" in label


def test_what_cannot_be_drawn_is_refused(fit, bags):
    display = ElementImportanceDisplay(np.ones((3, 5)), np.ones(3))
    with pytest.raises(ValueError, match="elements of 2 or 3 numbers, but these have 5"):
        display.plot(kind="points")
    with pytest.raises(ValueError, match="square images, but elements have 5 features"):
        display.plot(kind="images")
    with pytest.raises(ValueError, match="kind must be one of"):
        display.plot(kind="cloud")
    _, flat = plt.subplots()
    with pytest.raises(ValueError, match="The points have 3 dimensions"):
        ElementImportanceDisplay(np.ones((3, 3)), np.ones(3)).plot(flat)
    with pytest.raises(ValueError, match="The set is empty"):
        ElementImportanceDisplay.from_estimator(fit(), bags, 0)
    with pytest.raises(ValueError, match="one colour per set"):
        EmbeddingDisplay.from_estimator(fit("several outputs"), bags)
    each = DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    with pytest.raises(TypeError, match="one prediction per set"):
        SetSizeDisplay.from_estimator(each, bags, [bag[:, 0] for bag in bags])


def test_features_are_bars_with_the_most_important_first(fit, bags, targets):
    clf = fit(max_epochs=20)
    found = feature_importance(clf, bags, targets["binary"], random_state=0)
    _, ax = plt.subplots()
    display = FeatureImportanceDisplay.from_estimator(
        clf, bags, targets["binary"], random_state=0, max_features=3, ax=ax
    )
    assert_on(display, ax)
    order = np.argsort(-found.importances_mean, kind="stable")[:3]
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_], found.importances_mean[order])
    assert [label.get_text() for label in ax.get_yticklabels()] == found.feature_names[order].tolist()
    again = FeatureImportanceDisplay(found.importances, found.feature_names, found.kinds).plot()
    assert len(again.bars_) == 4


@pytest.mark.parametrize("kind", ["multi-class", "multi-label", "regression", "several outputs"])
def test_the_error_of_each_size_is_the_mean_over_its_sets(fit, bags, targets, kind):
    estimator, y = fit(kind), targets[kind]
    _, ax = plt.subplots()
    display = SetSizeDisplay.from_estimator(estimator, bags, y, n_bins=20, ax=ax)
    assert_on(display, ax)
    predicted, sizes = estimator.predict(bags), np.array([len(bag) for bag in bags])
    errors = predicted != y if hasattr(estimator, "classes_") else np.abs(predicted - y)
    errors = errors.reshape(len(bags), -1).mean(axis=1)
    x, heights = np.array(display.errorbar_.lines[0].get_data(), dtype=float)
    # the last two sizes, and the first two, may share a bin
    for size in x[(x == x.round()) & (x > 1)]:
        np.testing.assert_allclose(heights[x == size], errors[sizes == size].mean())


def test_sizes_that_were_not_trained_on_are_shaded_and_wide_ranges_have_a_logarithm(fit, bags, targets):
    reg = fit("regression")
    assert reg.size_range_ == (1, 7)
    larger = [np.tile(bag, (4, 1)) for bag in bags]
    display = SetSizeDisplay.from_estimator(reg, larger, targets["regression"])
    display.figure_.canvas.draw()
    assert "sizes not trained on" in [text.get_text() for text in display.ax_.get_legend().get_texts()]
    wide = SetSizeDisplay(np.array([0, 1, 5, 50, 500]), np.ones(5)).plot()
    assert wide.ax_.get_xscale() == "symlog"
    assert SetSizeDisplay(np.array([1, 5, 500]), np.ones(3)).plot().ax_.get_xscale() == "log"
    wide.figure_.canvas.draw()


def test_the_embedding_is_the_principal_components_of_what_the_pool_gives(fit, bags, targets):
    clf = make_pipeline(ElementTransformer(StandardScaler()), fit("multi-class")).fit(bags, targets["multi-class"])
    _, ax = plt.subplots()
    display = EmbeddingDisplay.from_estimator(clf, bags, targets["multi-class"], ax=ax, alpha=0.5)
    assert_on(display, ax)
    table = StandardScaler().fit_transform(clf.transform(bags).astype(np.float64))
    _, spread, directions = np.linalg.svd(table, full_matrices=False)
    np.testing.assert_allclose(np.abs(display.points), np.abs(table @ directions[:2].T), atol=1e-6)
    np.testing.assert_allclose(display.explained, spread[:2] ** 2 / (spread**2).sum())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    counts = [len(scatter.get_offsets()) for scatter in display.scatters_]
    assert counts == [(targets["multi-class"] == one).sum() for one in "abc"]
    values = EmbeddingDisplay.from_estimator(fit("regression"), bags)
    np.testing.assert_array_equal(values.scatters_[0].get_array(), values.target)
    assert len(values.figure_.axes) == 2
    EmbeddingDisplay(display.points).plot().figure_.canvas.draw()


def test_without_matplotlib_the_way_to_it_is_shown(monkeypatch, fit):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'LossCurveDisplay needs matplotlib: pip install "sk-deepsets\[plot\]"'):
        LossCurveDisplay.from_estimator(fit())
