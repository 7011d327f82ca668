"""Deep Sets beside the other ways to learn on sets: what they cost, whether they are invariant, and what they score
=======================================================================================================================

Each method is an estimator of this package: Deep Sets as one net and as the default ensemble, ``encoder="attention"``,
``pool_type="pma"``, and the modules of ``set_methods.py``. All train with the same options::

    python examples/benchmarks/compare_methods.py            # some seven minutes on two cores of their own
    python examples/benchmarks/compare_methods.py --quick    # a quarter of the sets, fewer epochs: some two minutes

- **Cost**: CPU seconds of a forward and a backward pass for two sets of M elements with 16 features, in a process of
  its own for each method, and the memory that the process took on top; the exponent is the slope of the logarithms
  between the last two sizes. A size is left out where the last one foretells more than 20 seconds (5 with
  ``--quick``) or 4 GB.
- **Invariance**: the largest change of a value, as a part of the largest, under another order, more padding and
  other batches (``check_invariance``), and the number of weights, both of the fit on ``max``.
- **Scores** on test sets that are the same for all methods: of one split, and the mean of ``--seeds`` seeds, by
  default one. MAE and MSE: the lower the better. All have the defaults of the estimators but for 30 epochs at most
  (20 with ``--quick``).
  The real data are no part of the project: ``--data`` names their folder, and tasks without their file are left out.

It prints Markdown, and writes ``compare_methods.json`` and, with matplotlib, ``compare_methods.png``.
"""

import argparse
import importlib.util
import json
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from data_sets import digit_pixels, ragged, stored
from set_methods import SET_METHODS
from sklearn.model_selection import StratifiedGroupKFold

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets
from sk_deepsets.datasets import (
    make_digit_sums,
    make_max_regression,
    make_population_statistics,
    make_unique_characters,
)
from sk_deepsets.inspection import check_invariance
from sk_deepsets.nn import PackedSets

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
METHODS = {
    "Deep Sets, one net": {"n_members": 1},
    "Deep Sets, default": {},
    'encoder="attention"': {"n_members": 1, "encoder": "attention"},
    'pool_type="pma"': {"n_members": 1, "pool_type": "pma"},
} | {name: {"n_members": 1, "module": module} for name, module in SET_METHODS.items()}
# A size of which the last one foretells more memory is not measured.
MOST_MB = 4096


class Task:
    """Training and test sets, and what counts."""

    def __init__(self, sets, y, n_train, score):
        self.train, self.test, self.score = (sets[:n_train], y[:n_train]), (sets[n_train:], y[n_train:]), score

    def fit(self, method, max_epochs, seed):
        """A fitted estimator."""
        make = DeepSetsClassifier if self.score == "accuracy" else DeepSetsRegressor
        options = {"max_epochs": max_epochs, "random_state": seed}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that training was short, and that some test sets are larger
            return make(**METHODS[method], **options).fit(*self.train)

    def score_of(self, estimator):
        """Accuracy, or the mean absolute or squared error, on the test sets."""
        sets, y = self.test
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = estimator.predict(sets)
        if self.score == "accuracy":
            return float(np.mean(found == y))
        return float(np.mean(np.abs(found - y) ** (2 if self.score == "MSE" else 1)))


def maximum(n, data):
    return Task(*make_max_regression(n + 500, random_state=0), n, "MAE")


def unique_characters(n, data):
    return Task(*make_unique_characters(n + 500, random_state=0), n, "accuracy")


def rotation(n, data):
    """Sets of 20 to 40, smaller than the paper's 300 to 500, of which pairs would take gigabytes."""
    return Task(*make_population_statistics(n + 300, set_size=(20, 40), random_state=0), n, "MSE")


def digit_sums(n, data):
    """Trained on 1 to 10 digits, tested on 11 to 30."""
    small, sums = make_digit_sums(n, random_state=0)
    large, more = make_digit_sums(500, set_size=(11, 30), random_state=1)
    return Task(ragged([*small, *large]), np.concatenate([sums, more]), n, "MAE")


def pixels(n, data):
    task = digit_pixels()
    n = min(n, 700)
    return Task(task.sets[: n + 300], task.y[: n + 300], n, "accuracy")


def islets(n, data):
    """Whole donors are for the test; 50 cells of each image, drawn at random, of about 2,000."""
    task = stored(data, "islets_imc")
    order = np.lexsort((np.random.default_rng(0).random(len(task.sets.elements)), task.sets.segments))
    sizes = np.minimum(task.sets.sizes, 50)
    rows = order[np.repeat(task.sets.offsets[:-1], sizes) + np.concatenate([*map(np.arange, sizes)])]
    thinned = RaggedSets(task.sets.elements[rows], np.r_[0, sizes.cumsum()])
    train, test = next(iter(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(task.y, task.y, task.groups)))
    order = np.concatenate([train, test])
    return Task(thinned[order], task.y[order], len(train), "accuracy")


def drawn(name, score, n, data):
    """Some sets of a stored data set."""
    task = stored(data, name)
    order = np.random.default_rng(0).permutation(len(task.y))[: n + 1000]
    return Task(task.sets[order], task.y[order], n, score)


def hep_events(n, data):
    return drawn("hep_events", "accuracy", n, data)


def qm7(n, data):
    return drawn("qm7_atoms", "MAE", n, data)


# Name -> the function, the number of training sets, and the file that it needs.
TASKS = {
    "max (MAE)": (maximum, 1600, None),
    "characters (accuracy)": (unique_characters, 2400, None),
    "rotation (MSE)": (rotation, 400, None),
    "digit sums, larger (MAE)": (digit_sums, 1600, None),
    "digit pixels (accuracy)": (pixels, 700, None),
    "islets_imc (accuracy)": (islets, 90, "islets_imc"),
    "hep_events (accuracy)": (hep_events, 2000, "hep_events"),
    "qm7 (MAE)": (qm7, 2000, "qm7_atoms"),
}


def cost(method, sizes, seconds_of_each, most_seconds):
    """Seconds of a pass forward and back and MB of this process above its start, at each size; and the exponent."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    few = [rng.normal(size=(size, 16)) for size in rng.integers(2, 20, 60)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = DeepSetsRegressor(**METHODS[method], max_epochs=1, random_state=0).fit(few, rng.normal(size=60))
    module = model.net_.module_.train()
    before, lines = memory(), []
    for size in sizes:
        if lines:
            growth = (size / lines[-1]["size"]) ** 2
            megabytes = lines[-1]["MB"]
            if lines[-1]["seconds"] * growth > most_seconds or (megabytes > 100 and megabytes * growth > MOST_MB):
                break
        sizes_of_two = torch.tensor([size, size])
        packed = PackedSets(
            torch.randn(2 * size, 16, dtype=torch.float64), torch.arange(2).repeat_interleave(size), sizes_of_two
        )
        module(packed).square().sum().backward()
        times, until = [], time.process_time() + seconds_of_each
        while not times or time.process_time() < until:
            start = time.process_time()
            module(packed).square().sum().backward()
            times.append(time.process_time() - start)
        lines.append({"size": size, "seconds": float(np.median(times)), "MB": memory() - before})
    # below some thousand elements, what a pass costs at all hides how it grows
    (size, seconds), (next_size, next_seconds) = ((line["size"], line["seconds"]) for line in lines[-2:])
    return {"sizes": lines, "exponent": float(np.log(next_seconds / seconds) / np.log(next_size / size))}


def memory():
    """The most that this process has taken, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def costs(jobs, **options):
    """The costs of each method, in a process of its own that is forked from one which has torch and nothing else."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["sk_deepsets"])
    with ProcessPoolExecutor(jobs, context, max_tasks_per_child=1) as pool:
        return dict(zip(METHODS, pool.map(partial(cost, **options), METHODS), strict=True))


def evaluate(method, name, n, data, max_epochs, seed):
    """The score of a method on a task, its CPU seconds, and for the first task its invariance and its weights."""
    torch.set_num_threads(1)
    task, start = TASKS[name][0](n, data), time.process_time()
    model = task.fit(method, max_epochs, seed)
    found = {"seconds": time.process_time() - start, "score": task.score_of(model)}
    if name == next(iter(TASKS)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = check_invariance(model, task.test[0][:60])
        # as a part of the largest value
        found |= {key: getattr(report, key) for key in ("shuffled_elements", "more_padding", "other_batches")}
        found["weights"] = sum(weight.numel() for weight in model.net_.module_.parameters())
    return found


def table(rows, columns):
    """Markdown: a row for each method."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    return "\n".join(lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()])


def show(value, digits=3):
    return "-" if value is None else f"{value:.{digits}g}"


def cost_rows(results, sizes):
    rows = {}
    for method, found in results.items():
        by_size = {line["size"]: line for line in found["cost"]["sizes"]}
        milliseconds = [show(1000 * by_size[size]["seconds"]) if size in by_size else "-" for size in sizes]
        largest = found["cost"]["sizes"][-1]
        change = max(found["invariance"].values())
        rows[method] = [*milliseconds, f"{largest['MB']:.0f} ({largest['size']})", show(found["cost"]["exponent"], 2)]
        rows[method] += [f"{change:.0e}", f"{found['weights']:,}"]
    return rows, [f"ms, M = {size}" for size in sizes] + ["MB (at M)", "exponent", "largest change", "weights"]


def draw(results, path):
    """Seconds and memory against the size of the sets."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for number, (method, found) in enumerate(results.items()):
        lines = found["cost"]["sizes"]
        style = {"marker": "o", "ms": 3, "ls": "-" if number < 4 else "--", "color": f"C{number}"}
        axes[0].plot([line["size"] for line in lines], [line["seconds"] for line in lines], label=method, **style)
        axes[1].plot([line["size"] for line in lines], [max(line["MB"], 1) for line in lines], label=method, **style)
    axes[0].set(xscale="log", yscale="log", xlabel="elements of a set", ylabel="s, forward and backward, two sets")
    axes[1].set(xscale="log", yscale="log", xlabel="elements of a set", ylabel="MB")
    axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def main():
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the sets, fewer epochs and sizes")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real data")
    parser.add_argument("--jobs", type=int, default=2, help="fits at the same time, one core each")
    parser.add_argument("--output", type=Path, default=Path("compare_methods"), help=".json and .png are added")
    parser.add_argument("--seeds", type=int, default=1, help="fits of each method for each task")
    args = parser.parse_args()
    sizes = [10, 100, 1000, 3000] if args.quick else [10, 30, 100, 300, 1000, 3000, 10_000]
    part, max_epochs, seconds_of_each, most_seconds = (4, 20, 0.1, 5) if args.quick else (1, 30, 0.3, 20)
    start = time.perf_counter()
    cost_of = costs(args.jobs, sizes=sizes, seconds_of_each=seconds_of_each, most_seconds=most_seconds)
    print(f"costs: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    results = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        names = [name for name, (_, _, file) in TASKS.items() if file is None or (args.data / f"{file}.npz").exists()]
        jobs = {}
        for name in names:
            for method in METHODS:
                run = partial(evaluate, method, name, TASKS[name][1] // part, args.data, max_epochs)
                jobs[method, name] = [pool.submit(run, seed) for seed in range(args.seeds)]
        for (method, name), futures in jobs.items():
            found = [future.result() for future in futures]
            row = results.setdefault(method, {"cost": cost_of[method], "scores": {}, "seconds": {}})
            row["scores"][name] = float(np.mean([one["score"] for one in found]))
            row["seconds"][name] = float(np.mean([one["seconds"] for one in found]))
            if "weights" in found[0]:
                row["weights"] = found[0]["weights"]
                keys = ("shuffled_elements", "more_padding", "other_batches")
                row["invariance"] = {key: max(one[key] for one in found) for key in keys}
            print(f"{method:22} {name:26} {row['scores'][name]:.4g}  {row['seconds'][name]:.1f} s", file=sys.stderr)
    print(table(*cost_rows(results, sizes)))
    print()
    scores = {method: [show(found["scores"][name]) for name in names] for method, found in results.items()}
    totals = {method: sum(found["seconds"].values()) for method, found in results.items()}
    rows = {method: [*cells, f"{totals[method]:.0f}"] for method, cells in scores.items()}
    print(table(rows, [*names, "s, all fits"]))
    print(f"\n{time.perf_counter() - start:.0f} s, of which fits {sum(totals.values()):.0f} on {args.jobs} cores")
    args.output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    if importlib.util.find_spec("matplotlib"):
        draw(results, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
