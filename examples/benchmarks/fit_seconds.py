"""Seconds of a default fit: two checkouts of the package, in turn
===============================================================

CPU seconds of a default fit on one thread, for the package in two checkouts, fitted one after the other on the training
sets of the same folds; with the epochs, the memory that a fit adds to that of the process, and results on the test
sets::

    git worktree add ../before 57c3a1d
    python examples/benchmarks/fit_seconds.py ../before . --folds 3

Each fit runs in a process of its own. The figures are means over the folds, for score and loss with the standard error
of the difference, which one fold has not (the higher a score the better: errors are negative). The last column is the
time of the second checkout as a share of the first, and the last line its geometric mean.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

SETS = "robot_lp1 fox tiger mutagenesis_atoms1 newsgroups1 corel_african noise_300 flights_500 flights_7800 poker_hand "
SETS += "qm7_atoms islets_imc"


def fit(name, fold, data):
    """Fit on a fold of a data set, in this process, and print what it took."""
    import torch
    from data_sets import tasks
    from quality import scores

    import sk_deepsets

    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first optimizer of a process imports half of torch
    task = tasks(data)[name]()
    splits = task.splits(0)
    if fold >= len(splits):
        print("null")
        return
    train, test = splits[fold]
    regression = task.score in ("MAE", "RMSE")
    estimator = (sk_deepsets.DeepSetsRegressor if regression else sk_deepsets.DeepSetsClassifier)(random_state=0)
    groups = {} if task.groups is None else {"groups": task.groups[train]}
    sets, y = task.sets[train], task.y[train]
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with warnings.catch_warnings(action="ignore"):
        estimator.fit(sets, y, **groups)
    seconds = time.process_time() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    score, loss = scores(task, estimator, test)
    found = {"seconds": seconds, "epochs": estimator.n_iter_, "megabytes": megabytes, "score": score, "loss": loss}
    print(json.dumps(found | {"sets": len(sets), "elements": int(sets.sizes.sum())}))


def run(checkout, name, fold, data):
    """Fit in a process that imports the package of a checkout."""
    paths = [str(Path(checkout).resolve()), str(Path(__file__).parent)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--fit", name, "--fold", str(fold), "--data", str(data)]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def main():
    """Run the fits in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent / "../../../shared/data")
    parser.add_argument("--sets", nargs="+", default=SETS.split())
    parser.add_argument("--folds", type=int, default=1, help="how many folds of each")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    parser.add_argument("--fold", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.fold, options.data)
        return
    print("| set | sets / elements | epochs | MB | score | loss | seconds | share |\n|---|---|---|---|---|---|---|---|")
    rows = []
    for name in options.sets:
        turns = [[run(one, name, fold, options.data) for one in options.checkouts] for fold in range(options.folds)]
        turns = [turn for turn in turns if None not in turn]  # some sets have fewer folds
        rows.append(compare([pd.DataFrame(side) for side in zip(*turns, strict=True)]))
        print(f"| {' | '.join([name, *rows[-1]['cells']])} |", flush=True)
    shares, seconds = ([row[key] for row in rows] for key in ("share", "seconds"))
    print(f"\ngeometric mean of the shares {np.exp(np.mean(np.log(shares))):.2f}, largest {max(shares):.2f};", end=" ")
    print(f"seconds now: median {np.median(seconds):.1f}, largest {max(seconds):.1f}")


def compare(sides):
    """The figures of one data set, from those of each fold in both checkouts."""
    one, two = (side.mean() for side in sides)
    formats = {"epochs": ".0f", "megabytes": ".0f", "score": ".3f", "loss": ".3f", "seconds": ".2f"}
    cells = {key: f"{one[key]:{form}} → {two[key]:{form}}" for key, form in formats.items()}
    for key in ("score", "loss"):
        difference = sides[1][key] - sides[0][key]
        if len(difference) > 1:
            cells[key] += f" ({difference.mean():+.3f} ± {difference.std() / len(difference) ** 0.5:.3f})"
    share = two["seconds"] / one["seconds"]
    sizes = f"{one['sets']:,.0f} / {one['elements']:,.0f}"
    return {"cells": [sizes, *cells.values(), f"{share:.2f}"], "share": share, "seconds": two["seconds"]}


if __name__ == "__main__":
    main()
