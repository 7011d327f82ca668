"""Regrouping: every row comes to its place, and none is written by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets.sets import _regrouping
from sk_deepsets.sets._regrouping import Regrouping


class Written(np.ndarray):
    """An array that keeps where it was written."""

    def __setitem__(self, key, value):
        self.keys.append(key)
        super().__setitem__(key, value)


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 60),
    n_done=st.integers(0, 60),
    bucket=st.integers(1, 200),
    batch=st.integers(1, 30),
    seed=st.integers(0, 9),
)
def test_rows_come_to_their_places(n, n_done, bucket, batch, seed):
    n_done = min(n, n_done)
    wanted = np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32), np.arange(n)[::-1].copy()
    arrays = [np.full_like(values, -1) for values in wanted]
    for array, values in zip(arrays, wanted, strict=True):
        array[:n_done] = values[:n_done]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_regrouping, "VALUES_OF_A_BUCKET", bucket)
        regrouping = Regrouping(arrays, np.empty(n, dtype=np.int64), n_done)
    rest = np.random.default_rng(seed).permutation(np.arange(n_done, n))
    for places in np.split(rest, range(batch, len(rest), batch)):
        places = np.sort(places)
        regrouping.add(places, [values[places] for values in wanted])
    regrouping.finish()
    for array, values in zip(arrays, wanted, strict=True):
        np.testing.assert_array_equal(array, values)


def test_rows_of_a_batch_are_written_once_for_each_bucket(monkeypatch):
    monkeypatch.setattr(_regrouping, "VALUES_OF_A_BUCKET", 25)  # four buckets
    array = np.zeros(100).view(Written)
    array.keys = []
    regrouping = Regrouping([array], np.empty(100, dtype=np.int64), 0)
    for places in np.random.default_rng(0).permutation(100).reshape(5, 20):
        regrouping.add(np.sort(places), [np.sort(places)])
    assert len(array.keys) == 5 * 4
    assert all(key.stop > key.start for key in array.keys)  # slices, not places here and there
    regrouping.finish()
    np.testing.assert_array_equal(array, np.arange(100))
