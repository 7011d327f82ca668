"""
Search and predict on a Dask cluster
====================================

A grid search whose fits run on a cluster, and the prediction for a table that lies there in parts. Here the cluster is
two processes of this machine; ``Client("scheduler-address:8786")`` is one of many machines::

    pip install "sk-deepsets[dask]"
    python examples/dask_cluster.py
"""

import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from sk_deepsets import DeepSetsRegressor, RaggedSets


def predict_part(part, model):
    """The prediction for each customer of a part of the table."""
    if part.empty:  # no customer came to this part
        return PREDICTION
    sets = RaggedSets.from_frame(part, by="customer")
    return pd.Series(model.predict(sets), index=sets.index, name="prediction")


# what predict_part returns, without rows
PREDICTION = pd.Series(dtype="float64", name="prediction", index=pd.Index([], dtype="int64", name="customer"))


def main():
    """Search, then predict."""
    rng = np.random.default_rng(0)
    events = pd.DataFrame({"customer": rng.integers(0, 2_000, 20_000), "amount": rng.gamma(2, 10, 20_000)})
    sets = RaggedSets.from_frame(events, by="customer")
    y = events.groupby("customer")["amount"].max()

    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        # scatter sends sets and targets to each process once, not once for each fit
        net = DeepSetsRegressor(n_members=1, max_epochs=100, random_state=0)
        search = GridSearchCV(net, {"pool_type": ["mean", "max", ("mean", "max")]}, cv=3)
        with joblib.parallel_config(backend="dask", scatter=[sets, y]):
            search.fit(sets, y)
        print(pd.DataFrame(search.cv_results_)[["param_pool_type", "mean_test_score"]])

        # borders between the parts of a table cut sets, and each piece would be predicted as a set of its own
        table = dd.from_pandas(events, npartitions=8)
        model = search.best_estimator_
        cut = table.map_partitions(predict_part, model, meta=PREDICTION).compute()
        # after a shuffle, all rows of a customer are in one part
        whole = table.shuffle("customer").map_partitions(predict_part, model, meta=PREDICTION).compute()
    print(f"{len(y):,} customers; {len(cut):,} predictions without the shuffle, {len(whole):,} with it")
    wanted = pd.Series(model.predict(sets), index=sets.index)
    print(f"largest difference from predict at once: {(whole - wanted).abs().max():.1e}")


if __name__ == "__main__":
    main()
