"""Speed: an epoch, a prediction and the memory, beside the other ways to train Deep Sets
========================================================================================

Three kinds of data (skewed set sizes, tiny sets, large sets), the same model, batch and optimizer for all. Every run
is a process of its own (``speed_peers.py``), and the peers take turns, so that a busy machine slows all of them::

    python examples/benchmarks/speed.py            # the table, speed.json, and speed.png with matplotlib
    python examples/benchmarks/speed.py --quick    # a twenty-fifth of the data, one round: under two minutes

The hand-written loops and skorch on a padded array always run; without --quick PyG, JAX, torchmil and EnergyFlow, too,
where they are installed. An epoch is the median of all epochs but the first of each run, over all rounds; so is
``predict``, from a list of arrays to classes. Memory is the peak of the process above what it held with the data made
and nothing else loaded: libraries count. Then come the figures that have no peer: the memory to predict one set of
10 million elements, what a small fit costs beside its epochs, what the import adds to those of torch and skorch, and
how the time of an epoch grows with the number of elements.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
OURS = "sk_deepsets"
ON_GPU = [f"{OURS}, GPU", "packed loop, GPU"]
NEEDS = {"PyG": "torch_geometric", "packed JAX": "jax", "torchmil": "torchmil", "EnergyFlow": "tensorflow"}
# For each kind of data: how many epochs are timed, and the peers. Padding the large sets takes minutes per epoch.
PLAN = {
    "skewed": (3, [OURS, "packed loop", "padded loop", "padded loop, bucketed", "padded skorch", *NEEDS]),
    "tiny": (3, [OURS, "packed loop", "packed loop, 1 thread", "padded loop", "padded skorch", *NEEDS]),
    "large": (1, [OURS, "packed loop", "padded loop, bucketed", "padded skorch", "PyG", "packed JAX"]),
}

SMALL_FIT = """
import time, warnings
import numpy as np
from sk_deepsets import DeepSetsClassifier
rng = np.random.default_rng(0)
X = [rng.normal(size=(size, 4)) for size in rng.integers(2, 30, 200)]
y = np.arange(200) % 2
outside = []
for _ in range(12):
    start = time.perf_counter()
    clf = DeepSetsClassifier(n_members=1, max_epochs=10).fit(X, y)
    outside.append(time.perf_counter() - start - sum(row["dur"] for row in clf.history_))
print(1000 * np.median(outside[2:]))
"""
IMPORT = """
import time
import skorch, torch
start = time.perf_counter()
import sk_deepsets
print(time.perf_counter() - start)
"""
LARGE_SET = """
import resource
import numpy as np
from sk_deepsets import DeepSetsClassifier
rng = np.random.default_rng(0)
small = [rng.standard_normal((size, 8), dtype=np.float32) for size in rng.integers(2, 30, 200)]
clf = DeepSetsClassifier(n_members=1, max_epochs=3, random_state=0).fit(small, np.arange(200) % 2)
large = [rng.standard_normal((10_000_000, 8), dtype=np.float32)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clf.predict(large)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
SCALING = """
import sys
import numpy as np
from sk_deepsets import DeepSetsClassifier, RaggedSets
rng = np.random.default_rng(0)
for n_elements in map(int, sys.argv[1:]):
    sizes = rng.integers(1, 72, n_elements // 36)
    sets = RaggedSets(rng.normal(size=(sizes.sum(), 8)).astype("float32"), np.r_[0, sizes.cumsum()])
    epochs = 3 if n_elements > 1e6 else 15
    clf = DeepSetsClassifier(n_members=1, max_epochs=epochs, early_stopping=False).fit(sets, np.arange(len(sets)) % 2)
    print(sizes.sum(), np.median([row["dur"] for row in clf.history_[1:]]))
"""


def run(*command):
    """The output of a Python process that lets its threads sleep while they wait."""
    environment = {"OMP_WAIT_POLICY": "passive"} | os.environ
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        raise RuntimeError(f"{command}: {(result.stderr.strip() or 'killed').splitlines()[-1]}")
    return result.stdout


def compare(kinds, rounds, shrink, extra_peers, gpu):
    """Medians over the rounds: {kind: {peer: {"epoch": s, "predict": s, "memory": MB}}}."""
    results = {}
    for kind in kinds:
        epochs, peers = PLAN[kind]
        peers = [p for p in peers if p not in NEEDS or (extra_peers and importlib.util.find_spec(NEEDS[p]))]
        peers += ON_GPU if gpu else []
        figures = {peer: [] for peer in peers}
        for turn in range(rounds):
            for peer in peers[turn % len(peers) :] + peers[: turn % len(peers)]:
                options = ["--epochs", str(epochs), "--shrink", str(shrink)]
                try:
                    figures[peer].append(json.loads(run(HERE / "speed_peers.py", peer, kind, *options)))
                except RuntimeError as error:
                    print(f"{kind}, {error}", file=sys.stderr)
                    continue
                print(f"{kind:7} {peer:22} {figures[peer][-1]}", file=sys.stderr, flush=True)
        results[kind] = {
            peer: {name: median(row[name] for row in rows) for name in rows[0]}
            for peer, rows in figures.items()
            if rows
        }
    return results


def table(results):
    """The results in Markdown, each figure with its ratio to sk_deepsets'."""
    lines = []
    for kind, peers in results.items():
        lines += [f"| {kind} | epoch, s | | predict, s | | memory, GB | |", "|---|--:|--:|--:|--:|--:|--:|"]
        for peer, row in peers.items():
            cells = [f"{row[n] / (1024 if n == 'memory' else 1):.2f} | {row[n] / peers[OURS][n]:.2f}x" for n in row]
            lines.append(f"| {peer} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def draw(results, path):
    """One panel for each kind of data: the seconds of an epoch."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(results), figsize=(4.2 * len(results), 3.2), layout="constrained", squeeze=False)
    for ax, (kind, peers) in zip(axes[0], results.items(), strict=True):
        names = sorted(peers, key=lambda peer: -peers[peer]["epoch"])
        bars = ax.barh(names, [peers[name]["epoch"] for name in names], color="0.7")
        bars[names.index(OURS)].set_color("C0")
        ax.bar_label(bars, fmt="%.3g", padding=2)
        ax.set(title=f"{kind} sets", xlabel="seconds per epoch (log scale)", xscale="log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        ax.margins(x=0.2)
    fig.savefig(path, dpi=110)


def alone(quick):
    """The figures without a peer."""
    import numpy as np

    counts = [10_000, 100_000] + ([] if quick else [1_000_000, 10_000_000])
    scaling = np.array([line.split() for line in run("-c", SCALING, *map(str, counts)).splitlines()], dtype=float)
    return {
        "predict_on_a_set_of_10_million_mb": float(run("-c", LARGE_SET)),
        "small_fit_overhead_ms": float(run("-c", SMALL_FIT)),
        "import_seconds": median(float(run("-c", IMPORT)) for _ in range(3)),
        "elements_and_epoch_seconds": scaling.tolist(),
        "log_log_slope": float(np.polyfit(*np.log(scaling).T, 1)[0]),
    }


def main():
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twenty-fifth of the data, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=PLAN, default=list(PLAN))
    parser.add_argument("--gpu", action="store_true", help="on a GPU, too: sk_deepsets and the packed loop")
    parser.add_argument("--output", type=Path, default=Path("speed"), help="written to with .json and .png added")
    args = parser.parse_args()
    rounds, shrink = (1, 25) if args.quick else (args.rounds, 1)
    results = compare(args.kinds, rounds, shrink, extra_peers=not args.quick, gpu=args.gpu)
    figures = alone(args.quick)
    print(table(results))
    for name, value in figures.items():
        print(f"{name}: {value}")
    args.output.with_suffix(".json").write_text(json.dumps({**results, **figures}, indent=1) + "\n")
    if importlib.util.find_spec("matplotlib"):
        draw(results, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
