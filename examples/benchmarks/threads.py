"""Threads: from which amount of work in a mini-batch a second thread pays
=========================================================================

Training chooses its number of threads by the multiplications in a mini-batch alone, never by the clock, so that two
fits with the same seed are equal to the last bit. Where the threshold lies is measured here: one training step of Deep
Sets on batches of growing work, on one thread and on all, with threads that spin and threads that sleep while they wait
(``OMP_WAIT_POLICY``). Run it on a quiet machine::

    python examples/benchmarks/threads.py

A ratio below 1 means that all threads are faster than one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from math import prod
from statistics import median

# Hidden widths of phi, and sizes of the sets in a batch of 128.
MODELS = {"32-32": (4, 32, 32), "64-64": (8, 64, 64), "128-128-64": (16, 128, 128, 64), "256-256": (32, 256, 256)}
SIZES = (1, 3, 6, 12, 24, 48, 96, 200)
BATCH = 128


def seconds_per_step(dims, size, threads, n_steps):
    """The median time of a training step on one batch of ``BATCH`` sets."""
    import torch

    from sk_deepsets.nn import DeepSetsInvariant

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = DeepSetsInvariant(dims[0], dims[1:], (64,), 2, pool_type=("mean", "max"))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x, y = torch.randn(BATCH, size, dims[0]), torch.arange(BATCH) % 2
    times = []
    for _ in range(n_steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return median(times[n_steps // 4 :])


def sweep(rounds):
    """Rows of model, multiplications in a batch, and the seconds on one thread and on all."""
    rows = []
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name, dims in MODELS.items():
        weights = sum(prod(pair) for pair in pairwise(dims))
        for size in SIZES:
            work = BATCH * size * weights
            n_steps = int(min(400, max(20, 4e9 / work)))
            # the two in turn, so that a neighbour slows both
            runs = [[seconds_per_step(dims, size, n, n_steps) for n in (1, threads)] for _ in range(rounds)]
            rows.append([name, work, *(median(column) for column in zip(*runs, strict=True))])
    return rows


def main():
    """Sweep under both wait policies and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sweep", action="store_true", help="print the rows of this process as JSON")
    args = parser.parse_args()
    if args.sweep:
        print(json.dumps(sweep(args.rounds)))
        return
    found = {}
    for policy in ("passive", "active"):
        command = [sys.executable, __file__, "--sweep", "--rounds", str(args.rounds)]
        result = subprocess.run(command, env=os.environ | {"OMP_WAIT_POLICY": policy}, capture_output=True, check=True)
        found[policy] = json.loads(result.stdout)
    print("| phi | multiplications in a batch, millions | one thread, ms | all threads / one: passive | active |")
    print("|---|--:|--:|--:|--:|")
    pairs = sorted(zip(found["passive"], found["active"], strict=True), key=lambda pair: pair[0][1])
    for (name, work, one, every), (_, _, one_active, every_active) in pairs:
        print(f"| {name} | {work / 1e6:.2f} | {1e3 * one:.2f} | {every / one:.2f} | {every_active / one_active:.2f} |")


if __name__ == "__main__":
    main()
