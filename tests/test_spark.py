"""Predictions for a Spark DataFrame, by examples/spark_table.py: one for each set, from all its rows."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import DeepSetsRegressor, RaggedSets

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("spark_table", ROOT / "examples" / "spark_table.py")
spark_table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(spark_table)

N = 240
RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame({"customer": RNG.integers(0, 40, N), "x": RNG.normal(size=N), "n": RNG.integers(0, 9, N)})
EVENTS.loc[::6, "customer"] = 3  # one of many rows
SORTED = EVENTS.sort_values("customer", kind="stable", ignore_index=True)


@pytest.mark.parametrize("rows", [1, 7, 20, N])
def test_batches_that_cut_customers_become_frames_of_whole_ones(rows):
    batches = [SORTED[first : first + rows] for first in range(0, N, rows)]
    frames = list(spark_table.whole_customers(iter(batches)))
    pd.testing.assert_frame_equal(pd.concat(frames), SORTED)  # no row is lost, or there twice
    customers = np.concatenate([frame["customer"].unique() for frame in frames])
    assert len(customers) == len(set(customers)) == EVENTS["customer"].nunique()
    assert list(spark_table.whole_customers(iter([]))) == []


@pytest.mark.filterwarnings("default")  # Spark's own
def test_spark_predicts_each_customer_once(monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="needs pip install pyspark")
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        pytest.skip("needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    sets = RaggedSets.from_frame(EVENTS, by="customer")
    model = DeepSetsRegressor(n_members=1, max_epochs=2, random_state=0).fit(sets, sets.sizes)
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 7)  # fewer than customer 3 has
    builder = builder.config("spark.sql.adaptive.enabled", "false")  # which would join the small partitions
    spark = builder.config("spark.sql.shuffle.partitions", 3).getOrCreate()
    try:
        table = spark.createDataFrame(EVENTS).repartition(5)  # of which each has rows of most customers
        found = spark_table.predict_customers(table, model).toPandas()
        none = spark_table.predict_customers(table.limit(0), model).toPandas()
    finally:
        spark.stop()
    wanted = pd.DataFrame({"customer": sets.index, "prediction": model.predict(sets)})
    pd.testing.assert_frame_equal(found.sort_values("customer", ignore_index=True), wanted, rtol=1e-5)
    assert list(none.columns) == ["customer", "prediction"]
    assert none.empty
