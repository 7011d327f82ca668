"""How the cost of a fit grows with the data, in memory and from files
====================================================================

Seconds and memory to write sets to a folder from Parquet, to train one plain net for an epoch, and to predict, from
a hundred thousand elements to as many as the disk holds::

    python examples/benchmarks/scale.py --most 10_000_000 --folder /tmp

Sets have 50 elements of 16 float32 features. Each line is from a process of its own, on one thread. ``MB`` is the
memory that the step adds to that of the process at its most, without pages of files, which the system takes back when
it needs them. In memory, the elements themselves are in it.

Then the last line is extended on paper to 10^12 elements: bytes, hours of cores and of GPUs, what the network adds with
many workers, and the aggregates that a database computes for the same cost. ``--on-paper`` takes the seconds of an
element from there and measures nothing.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

SET_SIZE, N_FEATURES, ROWS = 50, 16, 1_000_000
STEPS = ("write", "fit", "fit in memory")

BYTES = 4 * N_FEATURES  # of an element
PARAMETERS, BATCH = 5_825, 128 * SET_SIZE  # of the net that is measured; elements of a step
# An epoch of this package on an NVIDIA H200, as seconds of an element, and the elements of a step: measured with wider
# nets on 720,000 elements in sets of 36 on average, and on 5,250,000 in sets of 10,500 (README.md, "On a GPU"). A loop
# by hand, with all data in the memory of the GPU, took 0.36 and 0.08 s in place of 0.62 and 0.23 s.
GPU = {"sets of 36": (0.62 / 720_000, 128 * 36), "sets of 10,500": (0.23 / 5_250_000, 128 * 10_500)}
# Assumed, not measured.
NETWORK = 1.25e9  # bytes a second between two workers: 10 Gbit/s
LATENCY = 50e-6  # seconds of a message
DISK = 1e9  # bytes a second that a worker reads
SCAN = 1e9  # bytes a second that a core of a database aggregates
EPOCHS = 10


def write_parquet(folder, n_elements, shuffled):
    """A long table in files of a million rows, sorted by the id or in random order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    rng = np.random.default_rng(0)
    for first in range(0, n_elements, ROWS):
        rows = np.arange(first, min(first + ROWS, n_elements))
        ids = rng.integers(0, n_elements // SET_SIZE, len(rows)) if shuffled else rows // SET_SIZE
        values = {f"x{j}": rng.normal(size=len(rows)).astype(np.float32) for j in range(N_FEATURES)}
        pq.write_table(pa.table({"id": ids, **values}), folder / f"{first:012}.parquet")


class Peak:
    """The most memory, without pages of files, that the process takes while it runs."""

    def __enter__(self):
        self.before = self.most = self.now()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self.start
        self.ended.set()
        self.thread.join()
        self.megabytes = (self.most - self.before) / 1024

    def watch(self):
        while not self.ended.wait(0.01):
            self.most = max(self.most, self.now())

    def now(self):
        with open("/proc/self/status") as status:
            return int(next(line for line in status if line.startswith("RssAnon")).split()[1])


def run(step, folder):
    """Take a step in this process, and print what it took."""
    import torch

    from sk_deepsets import DeepSetsRegressor, RaggedSets

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first optimizer of a process imports half of torch
    warnings.simplefilter("ignore")
    if step == "write":
        import pyarrow.dataset  # noqa: F401 - which takes memory of its own

        with Peak() as peak:
            RaggedSets.from_parquet(folder / "table", by="id", folder=folder / "sets")
        print(json.dumps({"seconds": peak.seconds, "MB": peak.megabytes}))
        return
    with Peak() as whole:
        sets = RaggedSets.open(folder / "sets")
        y = np.add.reduceat(sets.elements["x0"].to_numpy(), sets.offsets[:-1])
        if step == "fit in memory":
            sets = sets.replace(sets.elements.to_numpy().copy())
        reg = DeepSetsRegressor(n_members=1, max_epochs=2, early_stopping=False, random_state=0)
        with Peak() as fit:
            reg.fit(sets, y)
        with Peak() as predict:
            reg.predict(sets)
    epoch = min(row["dur"] for row in reg.net_.history)
    print(json.dumps({"seconds": fit.seconds, "epoch": epoch, "predict": predict.seconds, "MB": whole.megabytes}))


def on_workers(n_elements, n_workers, seconds_per_element, batch=BATCH, parameters=PARAMETERS):
    """Hours of an epoch on workers that average their gradients, and the share of the network in them.

    Each worker takes batches of its own and reads ahead, so that a step takes the longer of arithmetic and reading.
    Then each sends and receives ``2 (N - 1) / N`` times the bytes of the gradients, in ``2 log2 N`` messages.
    """
    network = 2 * (n_workers - 1) / n_workers * 4 * parameters / NETWORK + 2 * math.log2(n_workers) * LATENCY
    step = max(batch * seconds_per_element, batch * BYTES / DISK) + network
    return n_elements / (n_workers * batch) * step / 3600, network / step


def break_even(epoch, predict, share=1.0, epochs=EPOCHS):
    """How many scans of a table by a database cost as many seconds of a core as a fit and a prediction.

    Parameters
    ----------
    epoch, predict : float
        Seconds of a core for each element.
    share : float
        Of the sets that the net is trained on.
    """
    return (epochs * share * epoch + predict) / (BYTES / SCAN)


def print_on_paper(epoch, predict):
    """What 10^8 to 10^12 elements take, by the seconds of a core for each element in an epoch and a prediction."""
    print(f"\nOn paper, by {1e6 * epoch:.2f} µs of a core an element in an epoch, {1e6 * predict:.2f} to predict it:\n")
    print("| elements | TB | core hours an epoch | to predict | H200 hours an epoch, sets of 36 | of 10,500 |")
    print("|---|---|---|---|---|---|")
    for power in range(8, 13):
        hours = [10**power * seconds / 3600 for seconds in (epoch, predict, *(seconds for seconds, _ in GPU.values()))]
        print(f"| 1e{power} | {10**power * BYTES / 1e12:g} | " + " | ".join(f"{h:.3g}" for h in hours) + " |")
    print("\n| workers | cores: hours an epoch of 1e12, network | H200, sets of 36 | of 10,500 |\n|---|---|---|---|")
    for n_workers in (1, 4, 16, 64, 256, 1024):
        found = [on_workers(10**12, n_workers, *machine) for machine in ((epoch, BATCH), *GPU.values())]
        print(f"| {n_workers} | " + " | ".join(f"{hours:.3g}, {share:.1%}" for hours, share in found) + " |")
    print("\n| sets to train on | scans by a database for the cost of a fit and a prediction of all |\n|---|---|")
    for share in (1, 0.1, 0.01, 0.001):
        print(f"| {share:.1%} | {break_even(epoch, predict, share):.0f} |")


def main():
    """Take all steps at all sizes, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--least", type=int, default=100_000, help="elements to begin with")
    parser.add_argument("--most", type=int, default=1_000_000, help="elements, 64 bytes each in a folder")
    parser.add_argument("--most-in-memory", type=int, default=100_000_000)
    parser.add_argument("--shuffled", action="store_true", help="rows of Parquet in random order")
    parser.add_argument("--folder", type=Path, default=Path("."), help="for files, which are deleted in the end")
    parser.add_argument(
        "--on-paper",
        type=float,
        nargs=2,
        metavar=("EPOCH", "PREDICT"),
        help="seconds of an element; nothing is measured",
    )
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run(options.step, options.folder)
        return
    if options.on_paper:
        print_on_paper(*options.on_paper)
        return
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    print("| elements | step | seconds | s an epoch | s to predict | MB |\n|---|---|---|---|---|---|")
    per_element = None
    for n_elements in [10**power for power in range(5, 13) if options.least <= 10**power <= options.most]:
        folder = options.folder / f"scale-{os.getpid()}"
        folder.mkdir()
        try:
            write_parquet(folder / "table", n_elements, options.shuffled)
            for step in STEPS[: 3 if n_elements <= options.most_in_memory else 2]:
                command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
                found = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
                cells = [f"{found[name]:.1f}" if name in found else "" for name in ("seconds", "epoch", "predict")]
                print(f"| {n_elements:.0e} | {step} | {' | '.join(cells)} | {found['MB']:.0f} |", flush=True)
                if step == "write":
                    shutil.rmtree(folder / "table")
                elif step == "fit":
                    per_element = [found[name] / n_elements for name in ("epoch", "predict")]
        finally:
            shutil.rmtree(folder)
    if per_element:
        print_on_paper(*per_element)


if __name__ == "__main__":
    main()
