"""Elements with columns of several kinds: embeddings of categories inside the model."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets

RNG = np.random.default_rng(0)
SIZES = RNG.integers(0, 9, 200)
OFFSETS = np.r_[0, SIZES.cumsum()]
N = int(OFFSETS[-1])
ITEMS = RNG.choice(["milk", "bread", "wine", "salt"], N)
FRAME = pd.DataFrame({"amount": RNG.gamma(2, 30, N), "item": pd.Categorical(ITEMS), "gift": RNG.random(N) < 0.3})
HAS_WINE = np.bincount(np.repeat(np.arange(200), SIZES), ITEMS == "wine", minlength=200) > 0
SHORT = {"max_epochs": 3, "random_state": 0}


def test_categories_are_learned():
    sets = RaggedSets(FRAME, OFFSETS)
    clf = DeepSetsClassifier(n_members=5, max_epochs=40, lr=0.02, random_state=0).fit(sets, HAS_WINE)
    assert clf.score(sets, HAS_WINE) > 0.98
    np.testing.assert_array_equal(clf.feature_names_in_, ["amount", "item", "gift"])
    assert clf.n_features_in_ == 3


@pytest.mark.parametrize("kind", ["str", "string", "object"])
def test_strings_are_categories_whatever_their_dtype(kind):
    sets = RaggedSets(FRAME.assign(item=FRAME["item"].astype(kind)), OFFSETS)
    clf = DeepSetsClassifier(n_members=1, max_epochs=30, lr=0.02, random_state=0).fit(sets, HAS_WINE)
    assert clf.score(sets, HAS_WINE) > 0.98


def test_a_list_of_frames_is_the_same_as_one_table():
    sets = RaggedSets(FRAME, OFFSETS)
    clf = DeepSetsClassifier(**SHORT).fit(sets, HAS_WINE)
    np.testing.assert_array_equal(clf.predict_proba(list(sets)), clf.predict_proba(sets))
    # frames whose own categories differ, as those of separate files do
    apart = [f.assign(item=f["item"].cat.remove_unused_categories()) for f in sets]
    np.testing.assert_array_equal(clf.predict_proba(apart), clf.predict_proba(sets))
    again = DeepSetsClassifier(**SHORT).fit(apart, HAS_WINE)
    assert again.score(apart, HAS_WINE) >= 0.5


@pytest.mark.parametrize("n_members", ["auto", 1])
def test_unknown_categories_are_all_the_same(n_members):
    clf = DeepSetsClassifier(n_members=n_members, **SHORT).fit(RaggedSets(FRAME, OFFSETS), HAS_WINE)
    unknown = [clf.predict_proba(RaggedSets(FRAME.assign(item=name), OFFSETS)) for name in ("beer", "oil")]
    np.testing.assert_array_equal(*unknown)
    assert (unknown[0] != clf.predict_proba(RaggedSets(FRAME.assign(item="wine"), OFFSETS)))[SIZES > 0].all()


def test_unknown_categories_have_the_embedding_zero():
    clf = DeepSetsClassifier(n_members=1, **SHORT).fit(RaggedSets(FRAME, OFFSETS), HAS_WINE)
    embedding = clf.net_.module_.input_layer.embeddings[0].weight
    assert embedding.shape[0] == 5
    assert not embedding[0].any()
    assert embedding[1:].abs().min() > 0


def test_a_basket_of_ids_is_one_column():
    baskets = [RNG.choice(100_000, size, replace=False) for size in RNG.integers(1, 6, 150)]
    y = np.array([int(basket.min()) % 2 for basket in baskets])
    clf = DeepSetsClassifier(categorical_features=[0], n_members=1, max_epochs=30, random_state=0).fit(baskets, y)
    assert clf.score(baskets, y) > 0.9  # only ids that it knows by heart can tell
    assert clf.net_.module_.input_layer.embeddings[0].num_embeddings == len(np.unique(np.concatenate(baskets))) + 1


@pytest.mark.parametrize("chosen", [["shop"], [1], [False, True]], ids=["name", "position", "mask"])
def test_categorical_features_may_be_chosen(chosen):
    frame = pd.DataFrame({"amount": FRAME["amount"], "shop": RNG.integers(0, 5, N)})
    clf = DeepSetsRegressor(categorical_features=chosen, n_members=1, **SHORT).fit(RaggedSets(frame, OFFSETS), SIZES)
    assert clf.net_.module_.input_layer.embeddings[0].num_embeddings == 6
    numbers = DeepSetsRegressor(n_members=1, **SHORT).fit(RaggedSets(frame, OFFSETS), SIZES)
    assert not hasattr(numbers.net_.module_.input_layer, "embeddings")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["price"], r"categorical_features names \['price'\], but the features are \['amount', 'item', 'gift'\]"),
        ([3], "categorical_features names feature 3, but there are 3"),
        ([True], "categorical_features has 1 booleans for 3 features"),
        (None, r"Element column 'item' has dtype category; expected numbers"),
    ],
)
def test_a_wrong_choice_is_an_error(chosen, message):
    with pytest.raises(ValueError, match=message):
        DeepSetsClassifier(categorical_features=chosen, **SHORT).fit(RaggedSets(FRAME, OFFSETS), HAS_WINE)


def test_missing_categories_name_the_set_and_the_column():
    holed = FRAME.copy()
    row = int(OFFSETS[7])
    holed.loc[row, "item"] = None
    number = int(np.searchsorted(OFFSETS, row, side="right")) - 1
    with pytest.raises(
        ValueError, match=rf"Set {number} has no value in column 'item' \(element 0; in all, 1 of \d+ elements"
    ):
        DeepSetsClassifier(**SHORT).fit(RaggedSets(holed, OFFSETS), HAS_WINE)


def test_one_hot_columns_and_embeddings_of_a_linear_phi_span_the_same():
    """The embedding is a linear map of the one-hot code: check the layer against NumPy."""
    clf = DeepSetsClassifier(n_members=1, **SHORT).fit(RaggedSets(FRAME, OFFSETS), HAS_WINE)
    layer = clf.net_.module_.input_layer
    known = list(FRAME["item"].cat.categories)
    codes = np.array([known.index(item) + 1 for item in ITEMS])
    table = np.column_stack([FRAME["amount"], FRAME["gift"], codes]).astype(float)
    with torch.no_grad():
        got = layer(torch.from_numpy(table)).numpy()
    one_hot = np.eye(5)[codes]
    wanted = np.column_stack(
        [
            (FRAME["amount"] - FRAME["amount"].mean()) / FRAME["amount"].std(ddof=0),
            (FRAME["gift"] - FRAME["gift"].mean()) / FRAME["gift"].std(ddof=0),
            one_hot @ layer.embeddings[0].weight.detach().numpy(),
        ]
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_empty_sets_alone_and_pickles_predict():
    clf = DeepSetsClassifier(**SHORT).fit(RaggedSets(FRAME, OFFSETS), HAS_WINE)
    assert clf.predict([FRAME[:0]] * 3).shape == (3,)
    sets = RaggedSets(FRAME, OFFSETS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(sets), clf.predict_proba(sets))


def test_categories_of_another_type_are_an_error_and_not_unknown():
    numbers = FRAME.assign(item=pd.Series(RNG.integers(0, 3, N)).astype("category"))
    clf = DeepSetsClassifier(**SHORT).fit(RaggedSets(numbers, OFFSETS), HAS_WINE)
    words = numbers.assign(item=numbers["item"].astype("str"))
    with pytest.raises(ValueError, match="column 'item' holds values of type string; in fit it held integer"):
        clf.predict(RaggedSets(words, OFFSETS))
    with pytest.raises(ValueError, match="column 'item' holds values of type string; in fit it held integer"):
        clf.predict(RaggedSets(words.astype({"item": "category"}), OFFSETS))
    recoded = RaggedSets(numbers.assign(item=numbers["item"].astype("int64").astype("category")), OFFSETS)
    np.testing.assert_array_equal(clf.predict(recoded), clf.predict(RaggedSets(numbers, OFFSETS)))


def test_dictionaries_of_arrow_are_categories():
    pa = pytest.importorskip("pyarrow")
    dtype = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    rng = np.random.default_rng(0)
    kinds = [pd.Series(rng.choice(["tea", "cup"], size)) for size in rng.integers(1, 5, 30)]
    y = np.array([(kind == "tea").sum() for kind in kinds])
    answers = []
    for to in (lambda column: column.astype(dtype), lambda column: column.astype("str")):
        sets = [pd.DataFrame({"kind": to(kind), "price": np.arange(float(len(kind)))}) for kind in kinds]
        X = pd.DataFrame({"sets": sets, "town": to(pd.Series(["a", "b"] * 15))})
        answers.append(DeepSetsRegressor(n_members=4, max_epochs=2, random_state=0).fit(X, y).predict(X))
    np.testing.assert_array_equal(*answers)
