"""What beginners try first, and that each error names what arrived and shows the call that works."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
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
        (EVENTS.groupby("id").agg(list), "['a', 'b']", "RaggedSets.from_frame(frame, by=..., columns=...)"),
        (dict(enumerate(SETS)), "but got {0: array", "list(X.values())"),
        ((one_set for one_set in SETS), "generator", "list(X)"),
        ((X, MASK), "Set 0 has shape (20, 4, 2)", "PaddedSets(x, mask)"),
    ],
    ids=["long frame", "groupby", "lists in columns", "dict", "generator", "padded"],
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
