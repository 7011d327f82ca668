"""What beginners try first, and that each error names what arrived and shows the call that works."""

import ast
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skorch.helper import SliceDataset
from torch import nn

from sk_deepsets import DeepSetsClassifier, DeepSetsElementClassifier, ElementTransformer, PaddedSets, RaggedSets

RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(size, 2)) for size in RNG.integers(1, 5, 20)]
Y = np.arange(20) % 2
EVENTS = pd.DataFrame({"id": np.arange(60) % 20, "a": RNG.normal(size=60), "b": RNG.normal(size=60)})
X, MASK = np.zeros((20, 4, 2)), np.arange(80).reshape(20, 4) % 4 < 3


class Mean(nn.Module):
    """A module of a user's own."""

    def __init__(self, input_dim=2, output_dim=2):
        super().__init__()
        self.linear = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        """Logits (b, output_dim)."""
        return (self.linear(x) * mask.unsqueeze(2)).sum(1)


def classifier(**params):
    return DeepSetsClassifier(n_members=1, max_epochs=1, random_state=0, **params)


@pytest.mark.parametrize(
    ("mistake", "arrived", "way_out"),
    [
        (EVENTS, "2-D DataFrame of shape (60, 3)", "RaggedSets.from_frame(frame, by=..., columns=...)"),
        (EVENTS.groupby("id"), "DataFrameGroupBy", "RaggedSets.from_frame(frame, by=..., columns=...)"),
        (dict(enumerate(SETS)), "but got {0: array", "list(X.values())"),
        ((one_set for one_set in SETS), "generator", "list(X)"),
        (dict(enumerate(SETS)).values(), "dict_values", "list(X)"),
        (torch.utils.data.DataLoader(SETS), "DataLoader", "the sets of its dataset"),
        ((X, MASK), "Set 0 has shape (20, 4, 2)", "PaddedSets(x, mask)"),
    ],
    ids=["long frame", "groupby", "dict", "generator", "values", "loader", "padded"],
)
def test_of_sets(mistake, arrived, way_out):
    with pytest.raises(ValueError, match=re.escape(arrived)) as caught:
        classifier().fit(mistake, Y)
    assert way_out in str(caught.value)


@pytest.mark.parametrize(
    "sets",
    [
        RaggedSets.from_frame(EVENTS, by="id", columns=["a", "b"]),
        list(dict(enumerate(SETS)).values()),
        PaddedSets(X, MASK),
    ],
    ids=["long frame", "dict", "padded"],
)
def test_the_ways_out_work(sets):
    assert classifier().fit(sets, Y).predict(sets).shape == (20,)


def test_of_a_module_that_is_an_instance():
    with pytest.raises(TypeError, match="module is an instance of Mean, but expected the class: module=Mean"):
        classifier(module=Mean()).fit(SETS, Y)
    classifier(module=Mean).fit(SETS, Y)


@pytest.mark.parametrize("name", ["phi_hidden_dims", "rho_hidden_dims"])
def test_of_one_width_in_place_of_a_sequence(name):
    with pytest.raises(ValueError, match=re.escape(f"{name}=(64,)")):
        classifier(**{name: 64}).fit(SETS, Y)
    with pytest.raises(ValueError, match=re.escape("hidden_dims=(64,)")):
        DeepSetsElementClassifier(hidden_dims=64).fit(SETS, [one_set[:, 0] > 0 for one_set in SETS])


def test_of_validation_sets_beside_a_pipeline():
    baskets = [["tea", "cup"], ["pot"]] * 10
    pipe = make_pipeline(ElementTransformer(OneHotEncoder(sparse_output=False)), classifier())
    with pytest.raises(ValueError, match=re.escape('transform_input=["X_val"]')):
        pipe.fit(baskets, Y, deepsetsclassifier__X_val=baskets, deepsetsclassifier__y_val=Y)


class Pairs(torch.utils.data.Dataset):
    """Sets with their classes."""

    def __len__(self):
        return 20

    def __getitem__(self, number):
        return torch.from_numpy(SETS[number]), int(Y[number])


PAIRS = Pairs()
TEXTS = [str(one_set.tolist()) for one_set in SETS]
WANTED = classifier().fit(SETS, Y).predict_proba(SETS)


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        (PAIRS, "X, y = zip(*(data[i] for i in range(len(data))))"),
        (list(zip(SETS, Y, strict=True)), "X, y = zip(*pairs)"),
        ([PAIRS[number] for number in range(20)], "X, y = zip(*pairs)"),
        ([(one_set.tolist(), str(label)) for one_set, label in zip(SETS, Y, strict=True)], "X, y = zip(*pairs)"),
        (SliceDataset(PAIRS, 0), "X, y = list(X), np.array(list(y))"),
        ([one_set.T for one_set in SETS], "X = [one_set.T for one_set in X]"),
        (TEXTS, "X = [json.loads(text) for text in X]"),
        (pd.Series(TEXTS), "X = [json.loads(text) for text in X]"),
        (pd.DataFrame({"events": TEXTS}), "X = X['events'].map(json.loads)"),
        (pd.DataFrame({"events": TEXTS}, dtype=object), "X = X['events'].map(json.loads)"),
    ],
)
def test_the_line_that_an_error_shows_works(mistake, line):
    with pytest.raises(ValueError, match=re.escape(line.split("= ", 1)[1].split(", np.")[0])):
        classifier().fit(mistake, Y)
    names = {"X": mistake, "y": SliceDataset(PAIRS, 1), "data": mistake, "pairs": mistake, "json": json, "np": np}
    names["zip"], names["range"] = zip, range
    exec(line, names)
    y = names["y"] if "y =" in line else Y
    y = [int(label) for label in y]
    np.testing.assert_allclose(classifier().fit(names["X"], y).predict_proba(names["X"]), WANTED, atol=1e-6)


def test_text_that_only_python_reads_and_text_that_has_lost_values():
    texts = pd.DataFrame({"age": 1, "items": [str(["a", "b"]), str(["a"])]})
    with pytest.raises(ValueError, match=r"Column 'items' of X holds .*X\['items'\]\.map\(ast\.literal_eval\)"):
        classifier().fit(texts, [0, 1])
    assert texts["items"].map(ast.literal_eval).tolist() == [["a", "b"], ["a"]]
    with pytest.raises(ValueError, match="This is what NumPy prints, which leaves out values"):
        classifier().fit(pd.DataFrame({"age": 1, "sets": [str(one_set) for one_set in SETS]}), Y)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (TEXTS, "use X['b'].map(json.loads); if these are categories, use X['b'].astype('category')."),
        ([None, *TEXTS[1:]], "use X['b'].map(json.loads)"),
        ([str([1, None])] * 20, "use X['b'].map(ast.literal_eval)"),
        (list(map(str, SETS)), "This is what NumPy prints"),
        ([str(list(one_set[:, 0])) for one_set in SETS], "This is what NumPy prints"),  # np.float64(...)
        ([*TEXTS[:18], "unknown", "none"], None),
        (["[new]", "[old, 1]"] * 10, None),
        (["[0, 10)", "[10, 20)"] * 10, None),
    ],
)
@pytest.mark.parametrize("n_collections", [1, 2])
def test_text_beside_sets_is_no_category(texts, message, n_collections):
    frame = pd.DataFrame({"b": texts, **{f"sets{number}": list(SETS) for number in range(n_collections)}})
    if message is None:
        classifier().fit(frame, Y)
        return
    with pytest.raises(ValueError, match=re.escape("Column 'b' of X holds ") + ".*" + re.escape(message)):
        classifier().fit(frame, Y)
    classifier().fit(frame.astype({"b": "category"}).query("b.notna()"), Y[pd.notna(texts)])
    if "json" in message and texts[0]:
        classifier().fit(frame.assign(b=frame["b"].map(json.loads)), Y)


def test_one_hot_classes_are_told_and_several_labels_are_not():
    classes = np.arange(20) % 3
    with pytest.warns(UserWarning, match=r"Each row of y has a single 1.*pass y\.argmax\(axis=1\)"):
        classifier().fit(SETS, np.eye(3)[classes])
    with pytest.warns(UserWarning, match="read as 2 labels") as caught:
        classifier().fit(SETS, np.eye(2)[classes % 2])
    assert caught[0].filename == __file__
    several = np.eye(3)[classes]
    several[7] = 1
    classifier().fit(SETS, several)
    classifier().fit(SETS[:4], np.eye(3)[[0, 1, 2, 0]])
