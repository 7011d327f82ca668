"""The advice on the architecture of Deep Sets, measured
=====================================================

Four questions, one table each; the guide has the answers, "Advice on the architecture, measured"::

    python examples/benchmarks/advice.py            # some ten minutes of one core

- **depth**: at the same number of weights, how many of five hidden layers are phi's, and how many rho's?
- **context**: added to the elements, appended to them, or as a scale and a shift of phi's first layer (FiLM), where it
  shifts, gates and scales what an element means; with and without the context in rho.
- **equivariant**: sum, mean or maximum in the equivariant layer, on sets of the sizes of training and on larger ones.
- **fill**: a maximum over padding of zeros, and over -inf, beside the pool of this package.

All models are single nets with the defaults of the estimators, but for 40 epochs. The error is 1 - R², or the share of
wrong answers, on test sets: the mean of ``--seeds`` seeds, each with sets and weights of its own, and its standard
error. Real data are no part of the project: ``--data`` names their folder, and tasks without their file are left out.

It prints Markdown, and writes ``advice.json``.
"""

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from data_sets import digit_pixels, stored
from torch import nn

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets
from sk_deepsets.datasets import (
    make_digit_sums,
    make_max_regression,
    make_population_statistics,
    make_unique_characters,
)
from sk_deepsets.inspection import check_invariance
from sk_deepsets.nn import masked_pool

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MAX_EPOCHS = 40
N_TEST = 500


def fit(sets, y, options, seed):
    """A single net: a classifier where the targets are no floats."""
    make = DeepSetsRegressor if y.dtype.kind == "f" else DeepSetsClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that training was short
        return make(n_members=1, max_epochs=MAX_EPOCHS, random_state=seed, **options).fit(sets, y)


def error(model, sets, y):
    """1 - R², or the share of wrong answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some sets are larger than those of training
        return float(1 - model.score(sets, y))


def part(task, n, seed):
    """Some sets of a task, drawn at random."""
    rows = np.random.default_rng(seed).permutation(len(task.y))[:n]
    return task.sets[rows], task.y[rows]


# Depth ----------------------------------------------------------------------------------------------------------------

N_WEIGHTS = 8_000
DEPTHS = {f"phi {n_phi}, rho {5 - n_phi}": (n_phi, 5 - n_phi) for n_phi in (4, 3, 2, 1)}
DEPTH_TASKS = {
    "max": lambda seed, data: make_max_regression(500 + N_TEST, random_state=seed),
    "rotation": lambda seed, data: make_population_statistics(300 + N_TEST, set_size=(20, 40), random_state=seed),
    "digit sums, images": lambda seed, data: make_digit_sums(500 + N_TEST, digits="images", random_state=seed),
    "characters": lambda seed, data: make_unique_characters(800 + N_TEST, random_state=seed),
    "digit pixels": lambda seed, data: part(digit_pixels(), 500 + N_TEST, seed),
    "qm7": lambda seed, data: part(stored(data, "qm7_atoms"), 800 + N_TEST, seed),
}


def same_width(n_phi, n_rho, input_dim, output_dim):
    """The width of all hidden layers with which there are about ``N_WEIGHTS`` weights."""

    def n_weights(width):
        phi = [input_dim, *[width] * n_phi]
        rho = [2 * width, *[width] * n_rho, output_dim]  # of the mean and the maximum
        return sum((before + 1) * after for dims in (phi, rho) for before, after in pairwise(dims))

    return min(range(4, 200), key=lambda width: abs(n_weights(width) - N_WEIGHTS))


def depth(name, seed, data):
    """(task, model) -> error."""
    sets, y = DEPTH_TASKS[name](seed, data)
    output_dim = 1 if y.dtype.kind == "f" else max(len(np.unique(y)), 2)
    errors = {}
    for model, (n_phi, n_rho) in DEPTHS.items():
        width = same_width(n_phi, n_rho, sets.n_features, output_dim)
        options = {"phi_hidden_dims": (width,) * n_phi, "rho_hidden_dims": (width,) * n_rho}
        net = fit(sets[:-N_TEST], y[:-N_TEST], options, seed)
        errors[name, model] = error(net, sets[-N_TEST:], y[-N_TEST:])
    return errors


# Context --------------------------------------------------------------------------------------------------------------

FUSIONS = {
    f"{fusion}{', and rho sees it' * in_rho}": {"fusion_type": fusion, "context_in_rho": in_rho}
    for in_rho in (False, True)
    for fusion in ("add", "concat", "film")
}
CONTEXT_TASKS = {
    # what the context does to the elements (n, 4), given that of their set (n, 4)
    "shift: mean of |x - z|": lambda x, z: np.abs(x[:, 0] - z[:, 0]),
    "gate: mean of max(x[z], 0)": lambda x, z: np.maximum(x[np.arange(len(x)), z.argmax(axis=1)], 0),
    "scale: mean of max(z x - 1, 0)": lambda x, z: np.maximum(3 * np.abs(z[:, 0]) * x[:, 0] - 1, 0),
}


def context(name, seed, data):
    """(task, model) -> error."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 16, 600 + N_TEST)
    elements, contexts = rng.normal(size=(sizes.sum(), 4)), rng.normal(size=(len(sizes), 4))
    if name.startswith("gate"):
        contexts = np.eye(4)[rng.integers(0, 4, len(sizes))]
    sets = RaggedSets(elements, np.r_[0, sizes.cumsum()], context=contexts)
    values = CONTEXT_TASKS[name](elements, np.repeat(contexts, sizes, axis=0))
    y = np.add.reduceat(values, sets.offsets[:-1]) / sizes
    errors = {}
    for model, options in FUSIONS.items():
        net = fit(sets[:-N_TEST], y[:-N_TEST], options, seed)
        errors[name, model] = error(net, sets[-N_TEST:], y[-N_TEST:])
    return errors


# Equivariant layers ---------------------------------------------------------------------------------------------------

TYPICAL_SIZE = 8


class EquivariantLayers(nn.Module):
    """Two equivariant layers, f(x)_i = Lambda x_i + Gamma pool(X), and a net of the mean and maximum of their output.

    The sum is divided by a typical size, a constant, as in the estimators.
    """

    def __init__(self, input_dim, output_dim, pool="max", width=32):
        super().__init__()
        self.pool = pool
        dims = (input_dim, width, width)
        self.each = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(dims))
        self.all = nn.ModuleList(nn.Linear(before, width, bias=False) for before in dims[:-1])
        self.rho = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, output_dim))

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        for each, of_all in zip(self.each, self.all, strict=True):
            pooled = masked_pool(x, self.pool, mask, keepdim=True)
            if self.pool == "sum":
                pooled = pooled / TYPICAL_SIZE
            x = torch.relu(each(x) + of_all(pooled))
        return self.rho(masked_pool(x, ("mean", "max"), mask))


def beside_the_others(name, sets):
    """Targets for which an element counts by the others of its set."""
    y = []
    for one in sets:
        x = one[:, 0]
        if name == "mean distance to the mean":
            y.append(np.abs(x - x.mean()).mean())
        elif name == "mean distance to the largest":
            y.append(np.sqrt(x.max() - x).mean())
        else:  # the entropy of the shares of the total
            share = np.exp(x) / np.exp(x).sum()
            y.append(-(share * np.log(share)).sum())
    return np.array(y)


EQUIVARIANT_TASKS = (
    "mean distance to the mean",
    "mean distance to the largest",
    "entropy of the shares",
    "characters",
    "hep_events",
)
POOLS = ("sum", "mean", "max")


def equivariant(name, seed, data):
    """(task, pool) -> error, on sets of 5 to 10 elements and, of those that are generated, of 20 to 40."""
    larger = None
    if name == "hep_events":
        sets, y = part(stored(data, name), 800 + N_TEST, seed)
    elif name == "characters":
        sets, y = make_unique_characters(800 + N_TEST, random_state=seed)
    else:
        rng = np.random.default_rng(seed)
        sizes = np.concatenate([rng.integers(5, 11, 600 + N_TEST), rng.integers(20, 41, N_TEST)])
        sets = RaggedSets(rng.normal(size=(sizes.sum(), 2)), np.r_[0, sizes.cumsum()])
        y = beside_the_others(name, sets)
        sets, larger = sets[:-N_TEST], (sets[-N_TEST:], y[-N_TEST:])
        y = y[:-N_TEST]
    errors = {}
    for pool in POOLS:
        options = {"module": EquivariantLayers, "module__pool": pool}
        net = fit(sets[:-N_TEST], y[:-N_TEST], options, seed)
        errors[name, pool] = error(net, sets[-N_TEST:], y[-N_TEST:])
        if larger is not None:
            errors[f"{name}, larger sets", pool] = error(net, *larger)
    return errors


# What fills the padding -----------------------------------------------------------------------------------------------


class FilledMaximum(nn.Module):
    """A net whose maximum takes padding along, which holds a constant; phi may end in a ReLU or not."""

    def __init__(self, input_dim, output_dim, fill=0.0, ends_in_relu=False, width=32):
        super().__init__()
        self.fill = fill
        layers = [nn.Linear(input_dim, width), nn.ReLU(), nn.Linear(width, width)]
        self.phi = nn.Sequential(*layers, *[nn.ReLU()] * ends_in_relu)
        self.rho = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, output_dim))

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        hidden = self.phi(x).masked_fill(~mask.unsqueeze(2), self.fill)
        return self.rho(hidden.amax(dim=1))


class MaskedMaximum(FilledMaximum):
    """The same with the pool of this package."""

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        return self.rho(masked_pool(self.phi(x), "max", mask))


FILLS = {
    "zeros": {"module": FilledMaximum},
    "zeros, after a ReLU": {"module": FilledMaximum, "module__ends_in_relu": True},
    "-inf": {"module": FilledMaximum, "module__fill": -np.inf},
    "masked_pool": {"module": MaskedMaximum},
}
FILL_TASKS = ("no set is empty", "one in a hundred is empty")


def fill(name, seed, data):
    """(task, model) -> error; of the first task, also the largest change in other batches, as a part of the largest."""
    sets, y = make_max_regression(500 + N_TEST, random_state=seed)
    if name == FILL_TASKS[1]:
        sizes = np.where(np.arange(len(y)) % 100 == 0, 0, sets.sizes)
        kept = np.repeat(sizes > 0, sets.sizes)
        sets, y = RaggedSets(sets.elements[kept], np.r_[0, sizes.cumsum()]), np.where(sizes > 0, y, 0.0)
    errors = {}
    for model, options in FILLS.items():
        try:
            net = fit(sets[:-N_TEST], y[:-N_TEST], options, seed)
            errors[name, model] = error(net, sets[-N_TEST:], y[-N_TEST:])
            if name == FILL_TASKS[0]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    report = check_invariance(net, sets[-N_TEST:][:60])
                errors["change in other batches", model] = max(report.other_batches, report.more_padding)
        except ValueError as failure:
            print(f"{name}, {model}: {failure}", file=sys.stderr)
            errors[name, model] = np.nan
    return errors


QUESTIONS = {
    "depth": (depth, DEPTH_TASKS),
    "context": (context, CONTEXT_TASKS),
    "equivariant": (equivariant, EQUIVARIANT_TASKS),
    "fill": (fill, FILL_TASKS),
}
FILES = {"qm7": "qm7_atoms", "hep_events": "hep_events"}


def run(question, name, data, seed):
    """All errors of a task, with one seed."""
    torch.set_num_threads(1)
    start = time.process_time()
    errors = QUESTIONS[question][0](name, seed, data)
    return errors, time.process_time() - start


def show(mean, standard_error):
    """Three digits, and the standard error."""
    return "NaN" if np.isnan(mean) else f"{mean:.3g} ± {standard_error:.1g}"


def table(found):
    """Markdown: a row for each task, a column for each model."""
    models = list(dict.fromkeys(model for _, model in found))
    lines = ["| | " + " | ".join(models) + " |", "|---|" + "--:|" * len(models)]
    for name in dict.fromkeys(name for name, _ in found):
        cells = [show(*found[name, model]) for model in models]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real data")
    parser.add_argument("--jobs", type=int, default=2, help="tasks at the same time, one core each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("advice"), help=".json is added")
    args = parser.parse_args()
    results, total = {}, 0.0
    with ProcessPoolExecutor(args.jobs) as pool:
        jobs = {}
        for question in args.questions:
            for name in QUESTIONS[question][1]:
                if name not in FILES or (args.data / f"{FILES[name]}.npz").exists():
                    measure = partial(run, question, name, args.data)
                    jobs[question, name] = [pool.submit(measure, seed) for seed in range(args.seeds)]
        for (question, name), futures in jobs.items():
            by_model, seconds = defaultdict(list), 0.0
            for future in futures:
                errors, spent = future.result()
                seconds += spent
                for key, value in errors.items():
                    by_model[key].append(value)
            total += seconds
            print(f"{question:12} {name:32} {seconds:.0f} s", file=sys.stderr, flush=True)
            for key, values in by_model.items():
                spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
                results.setdefault(question, {})[key] = float(np.mean(values)), float(spread)
    for question, found in results.items():
        print(f"**{question}**\n\n{table(found)}\n")
    print(f"{total:.0f} CPU seconds")
    nested = {
        question: [
            {"task": name, "model": model, "error": mean, "standard_error": spread}
            for (name, model), (mean, spread) in found.items()
        ]
        for question, found in results.items()
    }
    args.output.with_suffix(".json").write_text(json.dumps(nested, indent=1) + "\n")


if __name__ == "__main__":
    main()
