"""The HTML of sets: well formed, escaped, and true."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets


def parsed(sets):
    return ET.fromstring(f"<body>{sets._repr_html_()}</body>")


def words(sets):
    return " ".join(text.strip() for text in parsed(sets).itertext())


@pytest.fixture
def frame_sets():
    frame = pd.DataFrame(
        {"<b>amount": [1.23456, 2.0, 3.0, 4.0, 5.0, 6.0], "shop": pd.Categorical(["<i>", "x", "x", "x", "x", "x"])}
    )
    context = pd.DataFrame({"age & more": [1, 2, 3, 4]})
    return RaggedSets(frame, [0, 5, 5, 6, 6], context=context, index=pd.Index(["<a>", "b", "c", "d"]))


def test_sizes_and_kinds_are_told_and_names_are_escaped(frame_sets):
    shown = words(frame_sets)
    assert "4 sets, 6 elements" in shown
    assert "sizes 0 to 5, median 0, 2 empty" in shown
    assert "2 categories" in shown
    assert "<b>amount" in shown
    assert "age & more" in shown
    assert "set 0 (<a>): 5 elements" in shown
    assert "1.235" in shown
    assert "… and 1 more" in shown
    assert "… and 1 more sets" in shown
    assert "<i>" not in frame_sets._repr_html_()


def test_the_bars_are_a_histogram_of_the_sizes():
    sizes = [1, 1, 1, 3, 3, 7]
    sets = RaggedSets(np.zeros((sum(sizes), 1)), np.cumsum([0, *sizes]))
    heights = [int(bar.get("height")) for bar in parsed(sets).iter("rect")]
    assert heights == [48, 0, 32, 0, 0, 0, 16]
    many = RaggedSets(np.zeros((5050, 1)), np.cumsum(np.arange(101)))
    assert len(list(parsed(many).iter("rect"))) == 24


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (RaggedSets(np.zeros((0, 2)), [0]), "0 sets, 0 elements"),
        (RaggedSets(np.zeros((0, 2)), [0, 0]), "sizes 0 to 0, median 0, 1 empty"),
        (RaggedSets(np.zeros((3, 20)), [0, 3]), "x0 to x19"),
        (RaggedSets(np.zeros((1, 1)), [0, 1], context=np.zeros((1, 2))), "context0 to context1"),
        (RaggedSets(np.zeros((1, 2)), [0, 1], feature_names=["a", "b"]), "element a float64"),
        (RaggedSets(pd.DataFrame(np.zeros((1, 40))).add_prefix("c"), [0, 1]), "… and 10 more columns"),
    ],
)
def test_sets_of_any_kind_have_html(sets, told):
    assert told in " ".join(words(sets).split())


def test_wide_sets_are_cut():
    table = parsed(RaggedSets(np.zeros((9, 20)), [0, 9])).findall(".//tr")
    assert max(len(row) for row in table) == 9  # eight columns and the sign that there are more


def test_labels_of_several_parts_are_python_objects():
    index = pd.MultiIndex.from_arrays([np.array([1, 2]), np.array([0.5, 1.5])])
    for labels in (index, pd.Index([np.int64(1), "a"], dtype=object), pd.Index([1, 2])):
        sets = RaggedSets(np.zeros((2, 1)), [0, 1, 2], index=labels)
        assert "np." not in sets._repr_html_()
