"""A cluster of two processes: a search like the one in this process, and a prediction for each set, once."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from sk_deepsets import DeepSetsRegressor, RaggedSets

distributed = pytest.importorskip("dask.distributed", reason='needs pip install ".[dask]"')
dd = pytest.importorskip("dask.dataframe")

N = 240
RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame(
    {"customer": np.sort(RNG.integers(0, 40, N)), "x": RNG.normal(size=N), "n": RNG.integers(0, 9, N)}
)
SETS = RaggedSets.from_frame(EVENTS, by="customer")
REG = DeepSetsRegressor(n_members=1, max_epochs=2, random_state=0)


def predict_part(part, model):
    if part.empty:  # such as a part of a shuffled table that no id came to
        return pd.Series(dtype="float64", name="prediction", index=pd.Index([], dtype="int64", name="customer"))
    sets = RaggedSets.from_frame(part, by="customer")
    return pd.Series(model.predict(sets), index=sets.index, name="prediction")


def test_a_cluster_searches_as_one_process_does_and_predicts_each_set_once():
    # in one test, since a cluster takes seconds to start
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    options["dashboard_address"] = ":0"  # any port: None is 8787, too, which another cluster may have
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        check_search(client)
        check_parts_of_a_table()


def check_search(client):
    search = GridSearchCV(REG, {"pool_type": ["mean", "max"]}, cv=2)
    y = SETS.sizes * 1.0
    wanted = search.fit(SETS, y).cv_results_
    with joblib.parallel_config(backend="dask", scatter=[SETS, y]):
        found = search.fit(SETS, y).cv_results_
        on_cluster = [key for key in client.who_has() if key.startswith("RaggedSets-")]
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found[name], wanted[name])
    assert len(on_cluster) == 1  # the sets were sent once, not once for each fit


def check_parts_of_a_table():
    """Parts of a table hold whole sets after a shuffle."""
    model = REG.fit(SETS, SETS.sizes)
    wanted = pd.Series(model.predict(SETS), index=SETS.index, name="prediction")
    table = dd.from_pandas(EVENTS, npartitions=7, sort=False)
    meta = pd.Series(dtype="float64", name="prediction", index=pd.Index([], dtype="int64", name="customer"))
    cut = table.map_partitions(predict_part, model, meta=meta).compute()
    assert cut.index.has_duplicates  # the trap: each part of a set that a border cuts has a prediction
    for npartitions in (3, 50):  # with so many, some are empty
        whole = table.shuffle("customer", npartitions=npartitions)
        found = whole.map_partitions(predict_part, model, meta=meta).compute()
        pd.testing.assert_series_equal(found.sort_index(), wanted)


def test_a_loop_over_parquet_scores_each_set_once(tmp_path):
    pytest.importorskip("pyarrow")
    model = REG.fit(SETS, SETS.sizes)
    for number, rows in enumerate(np.array_split(RNG.permutation(N), 5)):  # of which the files cut the sets
        EVENTS.iloc[rows].to_parquet(tmp_path / f"{number}.parquet")
    sets = RaggedSets.from_parquet(tmp_path, by="customer", folder=tmp_path / "sets")
    parts = [sets[first : first + 7] for first in range(0, len(sets), 7)]
    found = pd.concat([pd.Series(model.predict(part), index=part.index) for part in parts])
    wanted = pd.Series(model.predict(SETS), index=SETS.index)
    pd.testing.assert_series_equal(found, wanted, rtol=1e-5)
