"""Multiple-instance learning: fox and tiger
==========================================

Each set is an image, each element one of its segments, and a set is positive where the image shows the animal.
Both sets hold 200 images of 1 to 13 segments with 230 features. ``DeepSetsClassifier`` is measured by 10-fold
stratified cross-validation, next to what one gets without it: mean, minimum, maximum and standard deviation of each
column and the size of the set, into extra trees, on the same folds::

    python examples/benchmarks/multiple_instance.py --repeats 5

The data are not part of the project. ``--data`` names the folder with ``fox.npz`` and ``tiger.npz``; the default is
``shared/data`` beside the repository. Without them, the script says so and stops.
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold

from sk_deepsets import DeepSetsClassifier, RaggedSets

# As quoted in the README of the data, 10-fold × 5: not measured here. The published ones are as commonly quoted.
QUOTED = {
    "fox": "aggregates .669 (extra trees), MI-Net DS .630, attention .615",
    "tiger": "aggregates .843 (extra trees), mi-Graph .860, gated attention .845",
}

# Chosen without a look at fox or tiger. A few positive segments make a positive image, which "max" finds; "mean" adds
# the image as a whole. Holding out a tenth of 180 sets leaves 18, too few to tell epochs apart, so training is of
# fixed length, with moderate dropout and weight decay in place of early stopping. Of three settings tried on two other
# data sets (mutagenesis_atoms1, newsgroups1; 10 folds), this one has the best mean accuracy, .755: with early stopping
# it was .656, with dropout=0.5 and weight_decay=0.1 .728. Small batches, because 180 sets make few steps an epoch.
DEEP_SETS = DeepSetsClassifier(
    pool_type=("mean", "max"),
    early_stopping=False,
    max_epochs=40,
    dropout=0.2,
    weight_decay=0.01,
    batch_size=16,
)


def aggregate(X, ptr):
    """Mean, minimum, maximum and standard deviation of each column, and the size, of each set."""
    rows = []
    for start, stop in itertools.pairwise(ptr):
        elements = X[start:stop]
        statistics = [elements.mean(0), elements.min(0), elements.max(0), elements.std(0), [stop - start]]
        rows.append(np.concatenate(statistics))
    return np.array(rows)


def measure(model, X, y, repeats):
    """Share of the repeats in which each set was predicted correctly when held out, and the seconds of a fit."""
    correct = np.zeros((repeats, len(y)))
    seconds = []
    for repeat in range(repeats):
        folds = StratifiedKFold(10, shuffle=True, random_state=repeat)
        for train, test in folds.split(np.zeros(len(y)), y):
            fold_model = clone(model).set_params(random_state=repeat)
            start = time.perf_counter()
            fold_model.fit(X[train], y[train])
            seconds.append(time.perf_counter() - start)
            correct[repeat, test] = fold_model.predict(X[test]) == y[test]
    return correct.mean(axis=0), np.mean(seconds)


def mean_and_error(values):
    """Mean ± standard error over the sets; repeats of the folds bring no new sets, so it does not shrink with them."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def main():
    parser = argparse.ArgumentParser(description="Deep Sets and aggregates on fox and tiger.")
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with fox.npz and tiger.npz")
    parser.add_argument("--repeats", type=int, default=1, help="repeats of the 10-fold cross-validation")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error("--repeats must be at least 1")
    missing = [f"{name}.npz" for name in QUOTED if not (args.data / f"{name}.npz").is_file()]
    if missing:
        print(f"Skipped: no {' and no '.join(missing)} in {args.data}. Name the folder with --data.")
        return

    print(f"10-fold stratified cross-validation, repeats: {args.repeats}; accuracy ± standard error over the sets\n")
    columns = ("data", "DeepSetsClassifier", "s/fit", "aggregates", "s/fit", "difference")
    line = "{:<6}  {:<18}  {:>5}  {:<13}  {:>5}  {:<14}  {}"
    print(line.format(*columns, "quoted, not measured here"))
    for name, quoted in QUOTED.items():
        with np.load(args.data / f"{name}.npz") as data:
            X, ptr, y = data["X"], data["ptr"], data["y"]
        deep, deep_seconds = measure(DEEP_SETS, RaggedSets(X, ptr), y, args.repeats)
        trees, trees_seconds = measure(ExtraTreesClassifier(300), aggregate(X, ptr), y, args.repeats)
        cells = (mean_and_error(deep), f"{deep_seconds:.2f}", mean_and_error(trees), f"{trees_seconds:.2f}")
        print(line.format(name, *cells, mean_and_error(deep - trees), quoted), flush=True)


if __name__ == "__main__":
    main()
