import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, ElementTransformer, RaggedSets, check_sets
from tests.versions import needs_polars_output

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any)


def sets_of(sizes, seed=0, n_features=2, names=None, **attached):
    elements = np.random.default_rng(seed).normal(3, 2, size=(sum(sizes), n_features))
    return RaggedSets(elements, np.concatenate([[0], np.cumsum(sizes)]), feature_names=names, **attached)


@pytest.fixture
def mixed():
    """Sets 0 and 2 have elements of two kinds; the rows come from a longer table."""
    table = pd.DataFrame(
        {"price": [1.0, 3.0, np.nan, 8.0], "kind": pd.Categorical(["tea", "cup", "tea", "pot"])}, index=[9, 4, 7, 1]
    )
    return RaggedSets(table, [0, 3, 3, 4], context=pd.DataFrame({"c": [5, 6, 7]}), index=pd.Index([*"pqr"]))


class Frames(TransformerMixin, BaseEstimator):
    """Says what it got; has neither names nor a fit_transform of its own."""

    fit_transform = None

    def fit(self, X, y=None):
        self.got_, self.labels_ = X, y
        return self

    def transform(self, X):
        return np.asarray(X)[:, :1]


class Rows(BaseEstimator):
    """Gives something of another shape."""

    def __init__(self, function=None):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return self.function(np.asarray(X))


@settings(deadline=None)
@given(SIZES, SIZES, st.integers(0, 99))
def test_scaling_is_that_of_all_elements_of_the_sets_of_fit(sizes, others, seed):
    train, test = sets_of(sizes, seed), sets_of(others, seed + 1)
    scaler = ElementTransformer(StandardScaler()).fit(train)
    rows = np.array([row for one_set in train for row in one_set])
    np.testing.assert_allclose(scaler.transformer_.mean_, rows.mean(axis=0))
    scale = np.where(len(rows) > 1, rows.std(axis=0), 1)
    for before, after in zip(test, scaler.transform(test), strict=True):
        np.testing.assert_allclose(after, (before - rows.mean(axis=0)) / scale, atol=1e-12)
    assert scaler.transform(test).sizes.tolist() == others


@settings(deadline=None)
@given(SIZES, st.integers(0, 99))
def test_the_order_of_elements_in_a_set_changes_their_order_only(sizes, seed):
    sets = sets_of(sizes, seed)
    rng = np.random.default_rng(seed)
    order = np.concatenate([start + rng.permutation(size) for start, size in zip(sets.offsets, sizes, strict=False)])
    shuffled = RaggedSets(sets.elements[order.astype(int)], sets.offsets)
    expected = ElementTransformer(StandardScaler()).fit_transform(sets).elements[order.astype(int)]
    np.testing.assert_allclose(ElementTransformer(StandardScaler()).fit_transform(shuffled).elements, expected)


def test_lists_of_arrays_go_in_and_pca_agrees_with_one_table():
    arrays = [np.random.default_rng(n).normal(size=(n + 2, 3)) for n in range(4)]
    out = ElementTransformer(PCA(2, random_state=0)).fit_transform(arrays)
    np.testing.assert_allclose(out.elements, PCA(2, random_state=0).fit_transform(np.concatenate(arrays)))
    assert list(out.feature_names) == ["pca0", "pca1"]
    assert out.sizes.tolist() == [2, 3, 4, 5]


def test_missing_values_are_the_business_of_the_transformer():
    frames = [pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]}), pd.DataFrame({"a": [5.0], "b": [3.0]})]
    out = ElementTransformer(SimpleImputer(add_indicator=True)).fit_transform(frames)
    assert out.elements.tolist() == [[1, 1, 0], [3, 2, 1], [5, 3, 0]]
    assert list(out.feature_names) == ["a", "b", "missingindicator_a"]


def test_columns_are_found_by_name_and_sparse_output_is_densified(mixed):
    encode = make_column_transformer(
        (SimpleImputer(), ["price"]),
        (OneHotEncoder(), ["kind"]),
        sparse_threshold=1,
        verbose_feature_names_out=False,
    )
    assert hasattr(clone(encode).fit_transform(mixed.elements), "toarray")
    transformer = ElementTransformer(encode)
    out = transformer.fit_transform(mixed)
    assert out.rows.equals(mixed.rows)
    assert out.elements.tolist() == [[1, 0, 0, 1], [3, 1, 0, 0], [4, 0, 0, 1], [8, 0, 1, 0]]
    assert list(out.feature_names) == ["price", "kind_cup", "kind_pot", "kind_tea"]
    assert list(transformer.get_feature_names_out()) == list(out.feature_names)
    np.testing.assert_array_equal(transformer.transform(mixed).elements, out.elements)


def test_context_and_index_of_the_sets_stay(mixed):
    out = ElementTransformer(OneHotEncoder()).fit_transform(mixed)
    pd.testing.assert_frame_equal(out.context, mixed.context)
    assert list(out.index) == [*"pqr"]
    assert out.offsets.tolist() == [0, 3, 3, 4]


def test_a_frame_stays_a_frame_with_its_categories_and_row_index(mixed):
    impute = make_column_transformer(
        (SimpleImputer(), ["price"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    out = ElementTransformer(impute).fit_transform(mixed)
    pd.testing.assert_frame_equal(out.elements, mixed.elements.fillna({"price": 4.0}))
    assert isinstance(out.elements["kind"].dtype, pd.CategoricalDtype)


def kinds_of_columns():
    """Columns of all kinds, whose output as one array would be objects, or floats in place of codes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "v": np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40)),
            "count": rng.integers(0, 9, 40),
            "large": 2**60 + rng.integers(0, 9, 40),
            "flag": rng.random(40) < 0.5,
            "kind": pd.Categorical(rng.choice([*"abc"], 40)),
            "code": pd.Categorical(rng.integers(5, 9, 40)),
            "text": rng.choice(["x", "y"], 40),
        }
    )
    return RaggedSets(table, np.arange(0, 41, 2))


def imputed(table):
    return table.assign(v=table["v"].fillna(table["v"].mean()))


NAMES = {"verbose_feature_names_out": False, "remainder": "passthrough"}


@pytest.mark.parametrize(
    "transformer",
    [
        make_column_transformer((SimpleImputer(), ["v"]), **NAMES),
        make_pipeline(make_column_transformer((SimpleImputer(), ["v"]), **NAMES)),
        make_pipeline(make_column_transformer((SimpleImputer(), ["v"]), **NAMES), "passthrough"),
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler(with_mean=False, with_std=False)), ["v"]), **NAMES
        ),
        FunctionTransformer(imputed),
    ],
)
def test_columns_that_pass_through_keep_their_dtypes(transformer):
    sets = kinds_of_columns()
    wanted = imputed(sets.elements)
    fitted = ElementTransformer(transformer)
    for out in (fitted.fit_transform(sets), fitted.fit(sets).transform(sets)):
        pd.testing.assert_frame_equal(out.elements, wanted)
    classifier = DeepSetsClassifier(n_members=1, max_epochs=1, random_state=0)
    pipe = make_pipeline(ElementTransformer(transformer), classifier).fit(sets, np.arange(20) % 2)
    filled = sets.replace(wanted)
    by_hand = DeepSetsClassifier(n_members=1, max_epochs=1, random_state=0).fit(filled, np.arange(20) % 2)
    np.testing.assert_array_equal(pipe.predict_proba(sets), by_hand.predict_proba(filled))


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(),
        KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"),
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
        make_union(OneHotEncoder(), FunctionTransformer()),
    ],
)
def test_a_sparse_output_beside_categories_is_made_dense(encoder):
    sets = kinds_of_columns()
    encode = make_column_transformer((encoder, ["count"]), remainder="passthrough", sparse_threshold=1)
    before = repr(encode)
    fitted = ElementTransformer(encode)
    out = fitted.fit_transform(sets)
    assert isinstance(out.elements["remainder__kind"].dtype, pd.CategoricalDtype)
    assert list(out.feature_names) == list(fitted.get_feature_names_out())
    alone = clone(encoder).fit_transform(sets.elements[["count"]])
    alone = np.asarray(alone.todense() if hasattr(alone, "todense") else alone)
    np.testing.assert_array_equal(out.elements.iloc[:, : alone.shape[1]].to_numpy(), alone)
    assert repr(encode) == before


@pytest.mark.parametrize(
    "steps",
    [
        [OneHotEncoder(), TruncatedSVD(2, random_state=0)],  # sparse before the last step: no frame can be made
        [StandardScaler(), FunctionTransformer(lambda X: X[:, :1])],  # for arrays
        [StandardScaler(), Rows(np.negative)],  # without set_output
        [FunctionTransformer(lambda X: np.asarray(X) + 1)],
    ],
)
def test_what_makes_no_frames_works_as_in_scikit_learn(steps):
    sets = kinds_of_columns()
    sets = sets.replace(sets.elements[["count", "v"]].fillna(0.0))
    wanted = clone(make_pipeline(*steps)).fit_transform(sets.elements)
    fitted = ElementTransformer(make_pipeline(*steps))
    for out in (fitted.fit_transform(sets), fitted.transform(sets)):
        np.testing.assert_array_equal(out.elements, wanted)


def test_an_explicit_default_gives_an_array():
    impute = make_column_transformer((SimpleImputer(), ["v"]), ("passthrough", ["count"]))
    sets = kinds_of_columns()
    assert isinstance(ElementTransformer(impute).fit_transform(sets).elements, pd.DataFrame)
    assert isinstance(
        ElementTransformer(impute.set_output(transform="default")).fit_transform(sets).elements, np.ndarray
    )


@pytest.mark.parametrize("transformer", [StandardScaler(), Rows(lambda X: X[:, :1]), OneHotEncoder()])
@pytest.mark.parametrize("names", [None, ["a", "b"]])
@pytest.mark.parametrize("when", ["before", "after"])
def test_set_output_of_a_pipeline_reaches_the_transformer(transformer, names, when):
    sets = sets_of([2, 0, 3], names=names)
    plain = ElementTransformer(clone(transformer)).fit_transform(sets)
    pipe = make_pipeline(ElementTransformer(transformer))
    if when == "before":
        out = pipe.set_output(transform="pandas").fit_transform(sets)
    else:
        out = pipe.fit(sets).set_output(transform="pandas").transform(sets)
    assert isinstance(out.elements, pd.DataFrame)
    np.testing.assert_array_equal(out.elements.to_numpy(), plain.elements)
    assert list(out.elements.columns) == (list(plain.feature_names) if plain.feature_names is not None else ["x0"])
    empty = pipe.transform(sets[[1]]).elements
    pd.testing.assert_frame_equal(empty, out.elements[:0], check_index_type=False)
    assert isinstance(pipe.set_output(transform="default").transform(sets).elements, np.ndarray) or when == "before"


def test_a_row_index_that_the_transformer_drops_comes_back(mixed):
    drop = FunctionTransformer(lambda table: table.reset_index(drop=True))
    assert list(ElementTransformer(drop).fit_transform(mixed).elements.index) == [9, 4, 7, 1]


@pytest.mark.parametrize("names", [None, ["a", "b"]])
def test_the_transformer_gets_a_frame_where_features_have_names(names):
    sets = sets_of([2, 0, 3], names=names)
    transformer = ElementTransformer(Frames()).fit(sets)
    got = transformer.transformer_.got_
    assert isinstance(got, np.ndarray) if names is None else list(got.columns) == names
    np.testing.assert_array_equal(got, sets.elements)


def test_without_names_of_the_transformer_there_are_none():
    out = ElementTransformer(Frames()).fit(sets_of([2], names=["a", "b"])).transform(sets_of([1, 1], names=["a", "b"]))
    assert out.feature_names is None
    assert not hasattr(ElementTransformer(Frames()), "get_feature_names_out")
    wrong = FunctionTransformer(lambda X: X[:, :1], feature_names_out=lambda self, names: [*names])
    assert ElementTransformer(wrong).fit_transform(sets_of([2])).feature_names is None


def test_names_out_of_a_step_without_names_are_none():
    steps = make_pipeline(StandardScaler(), FunctionTransformer(np.abs))
    assert ElementTransformer(steps).fit_transform(sets_of([2, 1])).feature_names is None


@pytest.mark.parametrize("labels", [[0, 1, 2], ["u", "v", "w"], [[0, 5], [1, 6], [2, 7]]])
def test_a_supervised_transformer_gets_the_label_of_the_set_for_each_element(labels):
    transformer = ElementTransformer(Frames()).fit(sets_of([2, 0, 3]), labels)
    assert transformer.transformer_.labels_.tolist() == [labels[0]] * 2 + [labels[2]] * 3
    series = pd.Series(range(3), index=[7, 8, 9])
    assert ElementTransformer(Frames()).fit(sets_of([1, 2, 1]), series).transformer_.labels_.tolist() == [0, 1, 1, 2]


def test_select_k_best_finds_the_column_that_tells_the_labels():
    labels = np.arange(20) % 2
    sets = sets_of([3] * 20, n_features=3, names=["a", "b", "c"])
    sets.elements[:, 1] += 9 * np.repeat(labels, 3)
    assert list(ElementTransformer(SelectKBest(k=1)).fit_transform(sets, labels).feature_names) == ["b"]


def test_a_target_encoder_is_cross_fitted_in_fit_transform_only():
    labels = np.arange(20) % 2
    kinds = pd.DataFrame({"kind": np.random.default_rng(0).choice([*"uvw"], size=60)})
    sets = RaggedSets(kinds, np.arange(21) * 3)
    transformer = ElementTransformer(TargetEncoder())
    in_folds = transformer.fit_transform(sets, labels).elements
    at_once = TargetEncoder().fit(kinds, np.repeat(labels, 3)).transform(kinds)
    np.testing.assert_array_equal(transformer.transform(sets).elements, at_once)
    assert in_folds.shape == (60, 1)
    assert not np.array_equal(in_folds, at_once)


def test_labels_of_the_sets_in_another_order_are_an_error():
    sets = sets_of([2, 1], index=pd.Index(["p", "q"]))
    y = pd.Series([0, 1], index=["q", "p"])
    with pytest.raises(ValueError, match=r"y has the labels of the sets in another order.*y\.loc\[X\.index\]"):
        ElementTransformer(Frames()).fit(sets, y)
    fitted = ElementTransformer(Frames()).fit(sets, y.loc[sets.index])
    assert fitted.transformer_.labels_.tolist() == [1, 1, 0]


def test_labels_of_another_number_are_an_error():
    with pytest.raises(ValueError, match="X has 2 sets, but y has 4 targets"):
        ElementTransformer(StandardScaler()).fit(sets_of([2, 1]), [0, 1, 0, 1])


@pytest.mark.parametrize("method", ["fit_transform", "transform"])
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: X[1:], r"Rows returned 4 rows; expected one for each of 5 elements"),
        (lambda X: np.concatenate([X, X]), r"Rows returned 10 rows; expected one for each of 5 elements"),
        (lambda X: X[:, 0], r"Rows returned an array of shape \(5,\); expected one row for each element"),
    ],
)
def test_another_number_of_rows_is_an_error(method, function, message):
    transformer = ElementTransformer(Rows(function)).fit(sets_of([2]))
    with pytest.raises(ValueError, match=message):
        getattr(transformer, method)(sets_of([2, 0, 3]))


@pytest.mark.parametrize("X", [[[], []], [np.empty((0, 2))] * 2, RaggedSets(np.empty((0, 2)), [0, 0, 0])])
@pytest.mark.parametrize("inverse", [False, True])
def test_sets_that_are_all_empty_get_the_width_of_fit(X, inverse):
    scaler = ElementTransformer(StandardScaler()).fit(sets_of([3]))
    out = getattr(scaler, "inverse_transform" if inverse else "transform")(X)
    assert out.elements.shape == (0, 2)
    assert out.sizes.tolist() == [0, 0]


def test_empty_sets_of_a_frame_keep_columns_kinds_context_and_index(mixed):
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    transformer = ElementTransformer(encode).fit(mixed)
    out = transformer.transform(mixed[[1, 1]])
    pd.testing.assert_frame_equal(out.elements, transformer.transform(mixed).elements[:0])
    assert out.context["c"].tolist() == [6, 6]
    assert list(out.index) == ["q", "q"]
    array = ElementTransformer(OneHotEncoder()).fit(mixed).transform(mixed[[1]])
    assert list(array.feature_names)[-3:] == ["kind_cup", "kind_pot", "kind_tea"]
    assert array.elements.shape == (0, len(array.feature_names))


def test_no_element_of_fit_is_kept():
    table = pd.DataFrame(
        {"secret": [123456.789] * 1000, "x": np.arange(1000.0)}, index=[f"row {i}" for i in range(1000)]
    )
    table.index = pd.MultiIndex.from_arrays([table.index, ["label"] * 1000])  # which keeps its levels in a slice
    keep_x = make_column_transformer((MinMaxScaler(), ["x"]))
    for fit in ("fit", "fit_transform"):
        transformer = ElementTransformer(keep_x)
        getattr(transformer, fit)(RaggedSets(table, [0, 1000]))
        pickled = pickle.dumps(transformer)
        assert len(pickled) < 5000
        assert np.float64(123456.789).tobytes() not in pickled
        assert b"row 999" not in pickled
        assert transformer.transform(RaggedSets(table[:0], [0, 0])).elements.shape == (0, 1)


def test_missing_sets_stay_missing_in_a_table(mixed):
    events = mixed.to_series().reindex(["r", "x", "p", "q"])
    table = pd.DataFrame({"age": [1, 2, 3, 4], "events": events})
    encode = ElementTransformer(OneHotEncoder())
    for out in (encode.fit_transform(table), encode.fit(table).transform(table)):
        assert out["events"].isna().tolist() == [False, True, False, False]
        assert out["events"].array.sets.sizes.tolist() == [1, 0, 3, 0]
    with pytest.raises(ValueError, match="1 of 4 sets is missing"):
        encode.fit(events)


@pytest.mark.parametrize("names", [None, ["a", "b"]])
@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        PCA(2),
        QuantileTransformer(n_quantiles=5),
        make_pipeline(StandardScaler(), PCA(2)),
        OneHotEncoder(),
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        StandardScaler().set_output(transform="pandas"),
        "passthrough",
    ],
)
def test_inverse_transform_brings_the_elements_back(transformer, names):
    sets = sets_of([3, 0, 2], names=names, context=np.ones((3, 1)), index=pd.Index([*"pqr"]))
    if isinstance(transformer, SimpleImputer):
        sets.elements[1, 0] = np.nan
    transformer = ElementTransformer(transformer).fit(sets)
    back = transformer.inverse_transform(transformer.transform(sets))
    np.testing.assert_allclose(back.elements, sets.elements, atol=1e-7)
    assert back.sizes.tolist() == [3, 0, 2]
    assert list(back.index) == [*"pqr"]
    assert back.context.tolist() == [[1], [1], [1]]
    assert (back.feature_names is None) if names is None else (list(back.feature_names) == names)


def test_inverse_transform_is_there_where_the_transformer_has_one():
    assert hasattr(ElementTransformer(StandardScaler()), "inverse_transform")
    assert hasattr(ElementTransformer("passthrough"), "inverse_transform")
    assert not hasattr(ElementTransformer(Frames()), "inverse_transform")


def test_passthrough_leaves_the_sets_as_they_are(mixed):
    transformer = ElementTransformer("passthrough")
    for out in (transformer.fit_transform(mixed), transformer.fit(mixed).transform(mixed)):
        pd.testing.assert_frame_equal(out.elements, mixed.elements)
        assert list(out.index) == [*"pqr"]
    assert list(transformer.get_feature_names_out()) == ["price", "kind"]
    assert ElementTransformer("passthrough").fit_transform(sets_of([2])).feature_names is None


def test_nested_parameters_are_set_and_the_given_transformer_stays_unfitted():
    scaler = StandardScaler()
    transformer = ElementTransformer(scaler)
    assert transformer.get_params()["transformer__with_mean"] is True
    transformer.set_params(transformer__with_mean=False)
    out = transformer.fit_transform([[3.0, 5.0], [7.0]])
    np.testing.assert_allclose(out.elements[:, 0], np.array([3, 5, 7]) / np.std([3, 5, 7]))
    assert not hasattr(scaler, "mean_")


def test_a_grid_search_over_nested_parameters_in_a_pipeline_with_a_classifier():
    labels = np.arange(24) % 2
    sets = sets_of(np.arange(24) % 4, n_features=3)
    pipeline = make_pipeline(ElementTransformer(PCA()), DeepSetsClassifier(max_epochs=2, random_state=0))
    grid = {"elementtransformer__transformer__n_components": [1, 2], "elementtransformer__transformer__whiten": [True]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(sets, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    assert best[-1].n_features_in_ == search.best_params_["elementtransformer__transformer__n_components"]
    assert search.predict(sets).shape == (24,)
    swap = GridSearchCV(pipeline, {"elementtransformer__transformer": [StandardScaler(), "passthrough"]}, cv=2)
    assert swap.fit(sets, labels).predict_proba(sets).shape == (24, 2)


def test_cross_validation_fits_the_transformer_to_the_training_sets():
    sets = sets_of([1, 2, 3, 4, 5, 6])
    pipeline = make_pipeline(ElementTransformer(StandardScaler()), DeepSetsClassifier(max_epochs=1))
    folds = [([0, 1, 2, 3], [4, 5]), ([5, 4, 1, 0], [2, 3])]
    result = cross_validate(pipeline, sets, [0, 1] * 3, cv=folds, return_estimator=True)
    for (train, _), fitted in zip(folds, result["estimator"], strict=True):
        rows = np.concatenate([sets[number] for number in train])
        np.testing.assert_allclose(fitted[0].transformer_.mean_, rows.mean(axis=0))


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "get_feature_names_out"])
def test_an_unfitted_one_says_so(method):
    with pytest.raises(NotFittedError, match="ElementTransformer instance is not fitted yet"):
        getattr(ElementTransformer(StandardScaler()), method)([[1.0]])


def test_a_failed_fit_leaves_it_unfitted():
    transformer = ElementTransformer(PCA(9))
    with pytest.raises(ValueError, match="n_components=9"):
        transformer.fit(sets_of([3]))
    assert not hasattr(transformer, "transformer_")


@pytest.mark.parametrize("transformer", ["drop", None, DeepSetsClassifier(module=len), 3])
def test_what_is_no_transformer_is_named_in_fit(transformer):
    with pytest.raises(ValueError, match="The 'transformer' parameter of ElementTransformer must be"):
        ElementTransformer(transformer).fit([[1.0]])


def test_other_features_than_in_fit_are_an_error():
    with pytest.raises(ValueError, match="X has 3 features, but ElementTransformer is expecting 2 features"):
        ElementTransformer(StandardScaler()).fit(sets_of([2])).transform(sets_of([2], n_features=3))
    fitted = ElementTransformer(StandardScaler()).fit(sets_of([2], names=["a", "b"]))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(sets_of([2], names=["a", "c"]))
    assert fitted.n_features_in_ == 2
    assert list(fitted.feature_names_in_) == ["a", "b"]


def test_sets_without_the_names_of_fit_warn_once_and_are_read_in_order():
    fitted = ElementTransformer(StandardScaler()).fit(sets_of([2, 3], names=["a", "b"]))
    with pytest.warns(UserWarning, match="X does not have valid feature names") as warned:
        out = fitted.transform(sets_of([2, 3]))
    assert len(warned) == 1
    np.testing.assert_allclose(out.elements.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("X", [[[], []], np.ones((2, 3))])
def test_fit_refuses_what_check_sets_refuses(X):
    with pytest.raises(ValueError, match=r"all sets are empty|two ways"):
        ElementTransformer(StandardScaler()).fit(X)


@pytest.mark.parametrize("duplicate", [lambda fitted: pickle.loads(pickle.dumps(fitted)), clone])
def test_pickles_transform_alike_and_clones_are_unfitted(duplicate):
    sets = sets_of([2, 0, 3])
    fitted = ElementTransformer(StandardScaler(with_std=False)).fit(sets)
    other = duplicate(fitted)
    assert other.transformer.with_std is False
    if duplicate is clone:
        assert not hasattr(other, "transformer_")
        other.fit(sets)
    np.testing.assert_array_equal(other.transform(sets).elements, fitted.transform(sets).elements)


def test_set_output_leaves_sets_and_the_global_setting_reaches_the_transformer():
    transformer = ElementTransformer(StandardScaler())
    assert transformer.set_output(transform="pandas") is transformer
    assert isinstance(transformer.fit_transform([[1.0, 2.0]]), RaggedSets)
    with sklearn.config_context(transform_output="pandas"):
        out = transformer.transform([[1.0, 2.0]])
    assert isinstance(out, RaggedSets)
    assert list(out.elements.columns) == ["x0"]


def test_tags_tell_of_sets_and_missing_values():
    tags = get_tags(ElementTransformer(StandardScaler())).input_tags
    assert (tags.two_d_array, tags.three_d_array, tags.allow_nan) == (False, True, True)


@pytest.mark.parametrize("form", ["arrays", "flat", "lists"])
def test_labels_may_be_of_elements(form):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, 30)
    sets = RaggedSets(rng.normal(size=(sizes.sum(), 3)), np.r_[0, sizes.cumsum()])
    flat = (sets.elements[:, 1] > 0).astype(int)
    cut = np.split(flat, sets.offsets[1:-1])
    y = {"arrays": cut, "flat": flat, "lists": [part.tolist() for part in cut]}[form]
    chosen = ElementTransformer(SelectKBest(k=1)).fit(sets, y)
    np.testing.assert_array_equal(chosen.transform(sets).elements, sets.elements[:, [1]])
    with pytest.raises(ValueError, match=r"Set 0 of X has \d elements, but 9 targets in y"):
        ElementTransformer(SelectKBest(k=1)).fit(sets, [np.zeros(9)] * 29 + [np.zeros(2)])


def test_a_transformer_that_moves_rows_is_an_error(mixed):
    with pytest.raises(ValueError, match="FunctionTransformer returned the elements in another order"):
        ElementTransformer(FunctionTransformer(lambda table: table.sort_values("kind"))).fit_transform(mixed)
    renumbered = ElementTransformer(FunctionTransformer(lambda table: table.reset_index(drop=True)))
    pd.testing.assert_index_equal(renumbered.fit_transform(mixed).elements.index, mixed.elements.index)


@needs_polars_output
def test_polars_may_hold_the_sets():
    pl = pytest.importorskip("polars")
    sets = RaggedSets(np.arange(8.0).reshape(4, 2), [0, 3, 3, 4], feature_names=["a", "b"])
    frame = pd.DataFrame({"age": [1, 2, 3], "s": sets.to_series()})
    scale = ElementTransformer(StandardScaler())
    both = make_column_transformer((StandardScaler(), ["age"]), (scale, ["s"])).set_output(transform="polars")
    out = both.fit_transform(frame)
    assert isinstance(out, pl.DataFrame)
    wanted = scale.fit_transform(sets)
    np.testing.assert_array_equal(check_sets(out).elements, wanted.elements)
    np.testing.assert_allclose(check_sets(out).context.iloc[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert isinstance(scale.set_output(transform="polars").fit_transform(sets), RaggedSets)


def test_labels_of_elements_are_matched_as_the_estimators_match_them():
    table = pd.DataFrame({"id": [1, 0, 1, 0], "x": [10.0, 11.0, 12.0, 13.0]}, index=[5, 6, 7, 8])
    sets = RaggedSets.from_frame(table, by="id")
    for y in (table["x"], RaggedSets.from_frame(table, by="id", columns=["x"])):
        fitted = ElementTransformer(Frames()).fit(sets, y)
        assert fitted.transformer_.labels_.tolist() == sets.elements["x"].tolist() == [11, 13, 10, 12]
    shared = RaggedSets.from_frame(table.set_axis([5, 5, 7, 8]), by="id")
    with pytest.raises(ValueError, match="Rows of X share their labels"):
        ElementTransformer(Frames()).fit(shared, table["x"])


FRAME = pd.DataFrame(
    {"id": [1, 0, 1, 0, 2], "x": [1.0, -2.0, -3.0, 4.0, 5.0], "kind": list("abaab")}, index=[5, 6, 7, 8, 9]
)
LISTS = {
    "frames": [FRAME.loc[FRAME["id"] == number, ["x", "kind"]] for number in range(3)],
    "dicts": [FRAME.loc[FRAME["id"] == number, ["x", "kind"]].to_dict("records") for number in range(3)],
    "strings": [FRAME.loc[FRAME["id"] == number, "kind"].tolist() for number in range(3)],
}


@pytest.mark.parametrize("form", LISTS)
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_answers_for_a_list_are_a_list_after_this_step_too(form, output):
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["x0" if form == "strings" else "kind"]))
    step = ElementTransformer(encode.set_output(transform=output))
    pipe = make_pipeline(
        step, ElementTransformer("passthrough"), DeepSetsElementRegressor(n_members=1, max_epochs=1, random_state=0)
    )
    y = [FRAME.loc[FRAME["id"] == number, "x"] for number in range(3)]
    answers = pipe.fit(LISTS[form], [part.to_numpy() for part in y]).predict(LISTS[form])
    assert isinstance(answers, list)
    assert [len(answer) for answer in answers] == [2, 2, 1]
    if form == "frames":  # whose rows have labels
        flat = pipe.fit(LISTS[form], FRAME["x"]).predict(LISTS[form])
        np.testing.assert_array_equal(np.concatenate(flat), np.concatenate(answers))
