"""Seconds of a default fit: two checkouts of the package, in turn
===============================================================

CPU seconds of a default fit on one thread, for the package in two checkouts, fitted one after the other on the training
sets of the first fold; with the number of epochs, the peak memory of the process, and the loss on the test sets::

    git worktree add ../before 57c3a1d
    python examples/benchmarks/fit_seconds.py ../before .

Each fit runs in a process of its own. The last column is the time of the second checkout as a share of the first, and
the last line its geometric mean. With ``--repeats`` the smallest time of each counts, since all that a shared machine
can do to a fit is to delay it.
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

SETS = "robot_lp1 fox tiger mutagenesis_atoms1 newsgroups1 corel_african noise_300 flights_500 flights_7800 poker_hand "
SETS += "qm7_atoms islets_imc"


def fit(name, data):
    """Fit on the first fold of a data set, in this process, and print what it took."""
    from data_sets import tasks

    import sk_deepsets

    task = tasks(data)[name]()
    train, test = task.splits(0)[0]
    regression = task.score in ("MAE", "RMSE")
    estimator = (sk_deepsets.DeepSetsRegressor if regression else sk_deepsets.DeepSetsClassifier)(random_state=0)
    groups = {} if task.groups is None else {"groups": task.groups[train]}
    sets, y = task.sets[train], task.y[train]
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with warnings.catch_warnings(action="ignore"):
        estimator.fit(sets, y, **groups)
    seconds = time.process_time() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    from quality import scores

    score, loss = scores(task, estimator, test)
    found = {"seconds": seconds, "epochs": estimator.n_iter_, "megabytes": megabytes, "score": score, "loss": loss}
    print(json.dumps(found | {"sets": len(sets), "elements": int(sets.sizes.sum())}))


def run(checkout, name, data):
    """Fit in a process that imports the package of a checkout."""
    paths = [str(Path(checkout).resolve()), str(Path(__file__).parent)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--fit", name, "--data", str(data)]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent / "../../../shared/data")
    parser.add_argument("--sets", nargs="+", default=SETS.split())
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.data)
        return
    first, second = options.checkouts
    print("| set | sets / elements | epochs | MB | score | loss | seconds | share |\n|---|---|---|---|---|---|---|---|")
    shares, times = [], []
    for name in options.sets:
        turns = [[run(checkout, name, options.data) for checkout in (first, second)] for _ in range(options.repeats)]
        one, two = (min(column, key=lambda found: found["seconds"]) for column in zip(*turns, strict=True))
        shares.append(two["seconds"] / one["seconds"])
        times.append(two["seconds"])
        cells = [f"{one['sets']:,} / {one['elements']:,}"]
        formats = {"epochs": "d", "megabytes": ".0f", "score": ".3f", "loss": ".3f", "seconds": ".2f"}
        cells += [f"{one[key]:{form}} → {two[key]:{form}}" for key, form in formats.items()]
        print(f"| {' | '.join([name, *cells, f'{shares[-1]:.2f}'])} |", flush=True)
    print(f"\ngeometric mean of the shares {np.exp(np.mean(np.log(shares))):.2f}, largest {max(shares):.2f};", end=" ")
    print(f"seconds now: median {np.median(times):.1f}, largest {max(times):.1f}")


if __name__ == "__main__":
    main()
