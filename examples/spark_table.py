"""
Predict for a table in Spark
============================

A prediction for each customer of a Spark DataFrame of events, by ``mapInPandas``. Here Spark is two threads of this
machine; a session of a cluster does the same, if sk_deepsets is installed where its Python workers run. Spark needs
Java::

    pip install sk-deepsets pyspark pyarrow
    python examples/spark_table.py
"""

import os
import sys

import numpy as np
import pandas as pd

from sk_deepsets import DeepSetsRegressor, RaggedSets


def whole_customers(batches):
    """Frames that end where a customer ends, of frames that end anywhere; rows of a customer follow one another."""
    rest = None
    for batch in batches:
        rows = pd.concat([rest, batch])
        # the last customer may go on in the next batch
        is_last = rows["customer"] == rows["customer"].iloc[-1]
        rest = rows[is_last]
        if not is_last.all():
            yield rows[~is_last]
    if rest is not None:
        yield rest


def predict_customers(table, model):
    """A Spark DataFrame with the prediction for each customer, once."""

    def predict_batches(batches):
        for rows in whole_customers(batches):
            sets = RaggedSets.from_frame(rows, by="customer")
            yield pd.DataFrame({"customer": sets.index, "prediction": model.predict(sets)})

    # all rows of a customer in one partition, one after another
    together = table.repartition("customer").sortWithinPartitions("customer")
    return together.mapInPandas(predict_batches, "customer long, prediction double")


def main():
    """Fit in memory, then predict in Spark."""
    from pyspark.sql import SparkSession

    rng = np.random.default_rng(0)
    events = pd.DataFrame({"customer": rng.integers(0, 2_000, 20_000), "amount": rng.gamma(2, 10, 20_000)})
    sets = RaggedSets.from_frame(events, by="customer")
    y = events.groupby("customer")["amount"].max()
    model = DeepSetsRegressor(n_members=1, max_epochs=40, random_state=0).fit(sets, y)

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the Python of the workers
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    table = spark.createDataFrame(events)
    found = predict_customers(table, model).toPandas().set_index("customer")["prediction"]
    spark.stop()
    wanted = pd.Series(model.predict(sets), index=sets.index)
    print(f"{len(y):,} customers, {len(found):,} predictions, {found.index.nunique():,} customers among them")
    print(f"largest difference from predict at once: {(found - wanted).abs().max():.1e}")


if __name__ == "__main__":
    main()
