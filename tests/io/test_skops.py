"""Pipelines in skops: which types of this package it asks to trust, as the guide says, and what it cannot save."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from sk_deepsets import DeepSetsClassifier, ElementTransformer, SetAggregator, SetPadder

skops_io = pytest.importorskip("skops.io")

PAGE = Path(__file__).parents[2] / "examples" / "docs" / "guide" / "saving.rst"


@pytest.fixture
def bags():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(1, 6, 40)]
    return sets, np.array([one.max() > 1 for one in sets])


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(ElementTransformer(QuantileTransformer(n_quantiles=9)), SetAggregator()),
        lambda: make_pipeline(SetAggregator(["size", 0.25]), LogisticRegression()),
        lambda: SetPadder(max_set_size=9),
    ],
)
def test_the_types_to_trust_are_those_of_the_guide(bags, make):
    sets, y = bags
    model = make().fit(sets, y)
    data = skops_io.dumps(model)
    trusted = skops_io.get_untrusted_types(data=data)
    assert all(f'"{name}"' in PAGE.read_text() for name in trusted)
    again = skops_io.loads(data, trusted=trusted)
    for answer in ("transform", "predict_proba"):
        if hasattr(model, answer):
            ours, theirs = (np.asarray(getattr(one, answer)(sets), dtype=object) for one in (model, again))
            assert all(map(np.array_equal, ours, theirs))


def test_tensors_are_not_for_skops(bags):
    model = DeepSetsClassifier(n_members=1, max_epochs=1).fit(*bags)
    with pytest.raises(RuntimeError, match="Cannot directly construct TensorBase"):
        skops_io.dumps(model)
