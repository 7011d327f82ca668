"""
Train on several GPUs or machines
=================================

One estimator, trained by several processes together: each takes its own share of every mini-batch, and the losses are
those of one process. Without a GPU, in two processes::

    pip install "sk-deepsets[distributed]"
    ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 examples/several_processes.py

On four machines with eight GPUs each, run on each of them, with its own ``--machine_rank`` from 0 to 3::

    accelerate launch --multi_gpu --num_machines 4 --num_processes 32 --machine_rank 0 --main_process_ip 10.0.0.1 \
        --main_process_port 29500 examples/several_processes.py --sets 1_000_000 --folder /shared/run

A run that was killed goes on where it stood when it is started again, also with another number of machines. ``python
examples/several_processes.py`` is the same fit in one process.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from sk_deepsets import DeepSetsRegressor, RaggedSets
from sk_deepsets.io import save


def make_folder(folder, n_sets):
    """Write sets of 20 elements on average, and the spread of each, which is to be learned."""
    rng = np.random.default_rng(0)
    sizes, spread = rng.integers(5, 36, n_sets), rng.uniform(0.2, 2, n_sets)
    elements = rng.normal(size=(sizes.sum(), 4)) * np.repeat(spread, sizes)[:, None]
    RaggedSets(elements.astype(np.float32), np.r_[0, sizes.cumsum()]).save(folder / "sets")
    np.save(folder / "y.npy", spread)


def main():
    """Make the data once, fit in all processes, and save from one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=4_000)
    parser.add_argument("--folder", type=Path, default=Path("processes-example"), help="that all processes reach")
    options = parser.parse_args()

    accelerator = Accelerator()
    if accelerator.is_main_process and not (options.folder / "y.npy").exists():
        options.folder.mkdir(parents=True, exist_ok=True)
        make_folder(options.folder, options.sets)
    accelerator.wait_for_everyone()
    sets, y = RaggedSets.open(options.folder / "sets"), np.load(options.folder / "y.npy")

    model = DeepSetsRegressor(
        n_members=1,
        max_epochs=100,
        batch_size=256 * accelerator.num_processes,  # of all processes together
        checkpoint=options.folder / "checkpoints",
        random_state=0,
        verbose=1,
        accelerator=accelerator,
    )
    start = time.perf_counter()
    model.fit(sets, y)
    accelerator.print(
        f"{accelerator.num_processes} processes on {accelerator.device.type}: {time.perf_counter() - start:.1f} s for "
        f"{model.n_iter_} epochs, validation loss {model.history_[model.best_iteration_ - 1]['valid_loss']:.4f}"
    )
    if accelerator.is_main_process:
        save(model, options.folder / "model.safetensors")
    accelerator.end_training()


if __name__ == "__main__":
    main()
