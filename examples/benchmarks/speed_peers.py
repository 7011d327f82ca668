"""The ways to train Deep Sets that ``speed.py`` compares, each run in a process of its own.

Every peer is a function of a case and a number of epochs. It trains the same model with the same optimizer (Adam,
lr 0.001, batches of 128 sets) in the way its users would write it, and gives the seconds of each epoch and a function
that predicts the classes of all sets from a list of arrays.
"""

import argparse
import functools
import json
import os
import resource
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BATCH = 128


@dataclass
class Case:
    """Sets to learn from, and the model to learn with."""

    n_sets: int
    sizes: str
    d: int
    phi: tuple
    pool: str

    def data(self):
        """A list of float32 arrays that share one table, as users get it from a file, and 0 or 1 for each."""
        rng = np.random.default_rng(0)
        sizes = SIZES[self.sizes](rng, self.n_sets)
        offsets = np.r_[0, sizes.cumsum()]
        elements = rng.standard_normal((offsets[-1], self.d), dtype=np.float32)
        sets = [elements[a:b] for a, b in pairwise(offsets)]
        level = np.add.reduceat(elements[:, 0], offsets[:-1]) / sizes
        return sets, (level > np.median(level)).astype(np.int64)


SIZES = {
    "1-500, mean 36": lambda rng, n: np.clip(rng.lognormal(2.98, 1.15, n), 1, 500).astype(int),
    "2-10": lambda rng, n: rng.integers(2, 11, n),
    "1,000-20,000": lambda rng, n: rng.integers(1_000, 20_001, n),
}
CASES = {
    "skewed": Case(20_000, "1-500, mean 36", 16, (128, 128, 64), "mean"),
    "tiny": Case(100_000, "2-10", 4, (32, 32), "mean"),
    "large": Case(500, "1,000-20,000", 3, (64, 128, 256), "max"),
}


def sk_deepsets(case, sets, y, epochs, device="cpu"):
    """DeepSetsClassifier on the list of arrays."""
    from skorch.callbacks import Callback

    from sk_deepsets import DeepSetsClassifier

    ends = []

    class Clock(Callback):
        def on_train_begin(self, net, **kwargs):
            ends.append(time.perf_counter())

        def on_epoch_end(self, net, **kwargs):
            ends.append(time.perf_counter())

    clf = DeepSetsClassifier(
        phi_hidden_dims=case.phi,
        rho_hidden_dims=(64,),
        pool_type=case.pool,
        n_members=1,
        optimizer="adam",
        weight_decay=0,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=epochs,
        early_stopping=False,
        device=device,
        callbacks=[Clock],
    ).fit(sets, y)
    # the callbacks are copied for the fit, the list stays the one above
    return np.diff(ends), lambda: clf.predict(sets)


def torch_model(case, device="cpu"):
    """Phi and rho, and fused Adam on both."""
    import torch

    def mlp(dims):
        return [layer for a, b in pairwise(dims) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]

    phi = torch.nn.Sequential(*mlp((case.d, *case.phi))).to(device)
    rho = torch.nn.Sequential(*mlp((case.phi[-1], 64)), torch.nn.Linear(64, 2)).to(device)
    weights = [*phi.parameters(), *rho.parameters()]
    return phi, rho, torch.optim.Adam(weights, lr=1e-3, fused=True)


def train_torch(batches, forward, optimizer, epochs):
    """A plain training loop; ``batches()`` gives pairs of inputs and targets."""
    import torch

    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for x, target in batches():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(forward(x), target).backward()
            optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


def packed_loop(case, sets, y, epochs, threads=None, device="cpu"):
    """The hand-written loop: all elements in one tensor on the device, batches gathered from it, pools by segment."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    phi, rho, optimizer = torch_model(case, device)
    flat, y = torch.from_numpy(np.concatenate(sets)).to(device), torch.from_numpy(y).to(device)
    sizes = torch.tensor([len(one_set) for one_set in sets], device=device)
    starts = sizes.cumsum(0) - sizes

    def batch(numbers):
        n = sizes[numbers]
        ends = n.cumsum(0)
        segment = torch.repeat_interleave(n)
        rows = torch.arange(int(ends[-1]), device=device) + (starts[numbers] - ends + n)[segment]
        return flat[rows], segment, n

    def forward(x):
        elements, segment, n = x
        hidden = phi(elements)
        if case.pool == "mean":
            pooled = hidden.new_zeros(len(n), hidden.shape[1]).index_add_(0, segment, hidden) / n[:, None]
        else:
            rows = torch.arange(len(hidden), device=device)
            pooled = torch.nn.functional.embedding_bag(rows, hidden, n.cumsum(0) - n, mode="max")
        return rho(pooled)

    def batches():
        for numbers in torch.randperm(len(sizes), device=device).split(BATCH):
            yield batch(numbers), y[numbers]

    @torch.no_grad()
    def predict():
        groups = torch.arange(len(sizes), device=device).split(BATCH)
        return torch.cat([forward(batch(numbers)).argmax(1) for numbers in groups]).cpu()

    return train_torch(batches, forward, optimizer, epochs), predict


def padded_loop(case, sets, y, epochs, bucketed=False):
    """The hand-written loop most people write: pad_sequence and a mask; random batches, or of sets of like size."""
    import torch

    phi, rho, optimizer = torch_model(case)
    tensors, y = [torch.from_numpy(one_set) for one_set in sets], torch.from_numpy(y)
    sizes = torch.tensor([len(one_set) for one_set in sets])

    def batch(numbers):
        x = torch.nn.utils.rnn.pad_sequence([tensors[i] for i in numbers.tolist()], batch_first=True)
        return x, torch.arange(x.shape[1]) < sizes[numbers, None]

    def forward(x):
        return rho(padded_pool(phi(x[0]), x[1], case.pool))

    def batches():
        order = torch.randperm(len(tensors))
        groups = order.split(BATCH)
        if bucketed:  # sort pools of 50 batches by size, then take the batches of all pools in random order
            groups = [g for part in order.split(50 * BATCH) for g in part[sizes[part].argsort()].split(BATCH)]
            groups = [groups[i] for i in torch.randperm(len(groups)).tolist()]
        for numbers in groups:
            yield batch(numbers), y[numbers]

    @torch.no_grad()
    def predict():
        groups = (sizes.argsort() if bucketed else torch.arange(len(tensors))).split(BATCH)
        return [forward(batch(numbers)).argmax(1) for numbers in groups]

    return train_torch(batches, forward, optimizer, epochs), predict


def padded_pool(hidden, mask, pool):
    """Mean or maximum over the elements of a padded batch (b, m, k)."""
    if pool == "mean":
        return (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return hidden.masked_fill(~mask[:, :, None], float("-inf")).amax(1)


def padded_skorch(case, sets, y, epochs):
    """skorch as its documentation has it, on one array filled up to the largest set."""
    import torch
    from skorch import NeuralNetClassifier

    phi, rho, _ = torch_model(case)

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.phi, self.rho = phi, rho

        def forward(self, x, mask):
            return self.rho(padded_pool(self.phi(x), mask, case.pool))

    def pad():
        sizes = np.array([len(one_set) for one_set in sets])
        x = np.zeros((len(sets), sizes.max(), case.d), dtype=np.float32)
        mask = np.arange(sizes.max()) < sizes[:, None]
        x[mask] = np.concatenate(sets)
        return {"x": x, "mask": mask}

    net = NeuralNetClassifier(
        Module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=epochs,
        train_split=None,
        verbose=0,
    ).fit(pad(), y)
    return net.history[:, "dur"], lambda: net.predict(pad())


def pyg(case, sets, y, epochs):
    """PyTorch Geometric: DataLoader and an aggregation of nn.aggr."""
    import torch
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.nn.aggr import MaxAggregation, MeanAggregation

    phi, rho, optimizer = torch_model(case)
    aggregate = MeanAggregation() if case.pool == "mean" else MaxAggregation()

    def graphs():
        return [Data(x=torch.from_numpy(s), y=torch.tensor([t])) for s, t in zip(sets, y, strict=True)]

    def forward(data):
        return rho(aggregate(phi(data.x), data.batch, dim_size=data.num_graphs))

    loader = DataLoader(graphs(), batch_size=BATCH, shuffle=True)

    @torch.no_grad()
    def predict():
        return [forward(data).argmax(1) for data in DataLoader(graphs(), batch_size=BATCH)]

    return train_torch(lambda: ((data, data.y) for data in loader), forward, optimizer, epochs), predict


def packed_jax(case, sets, y, epochs):
    """The packed loop in JAX: jit, and numbers of rows rounded up so that few shapes are compiled."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    flat, sizes = np.concatenate(sets), np.array([len(one_set) for one_set in sets])
    starts = sizes.cumsum() - sizes

    weights = [jax_weights(rng, (case.d, *case.phi)), jax_weights(rng, (case.phi[-1], 64, 2))]

    def forward(weights, x, segment, n):
        for w, b in weights[0]:
            x = jax.nn.relu(x @ w + b)
        if case.pool == "mean":
            x = jax.ops.segment_sum(x, segment, BATCH + 1, indices_are_sorted=True) / jnp.maximum(n, 1)[:, None]
        else:
            x = jax.ops.segment_max(x, segment, BATCH + 1, indices_are_sorted=True)
        for w, b in weights[1][:-1]:
            x = jax.nn.relu(x @ w + b)
        return x[:BATCH] @ weights[1][-1][0] + weights[1][-1][1]

    def loss(weights, x, segment, n, target, real):
        scores = jax.nn.log_softmax(forward(weights, x, segment, n))
        return -(jnp.take_along_axis(scores, target[:, None], 1)[:, 0] * real).sum() / real.sum()

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(weights, mean, square, t, *batch):
        gradient = jax.grad(loss)(weights, *batch)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        weights = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-8), weights, mean, square)
        return weights, mean, square

    def batch(numbers):
        n = sizes[numbers]
        segment = np.repeat(np.arange(len(n)), n)
        rows = np.arange(len(segment)) + (starts[numbers] - n.cumsum() + n)[segment]
        room = -len(rows) % (1024 if case.pool == "mean" else 65_536)
        n = np.pad(n, (0, BATCH + 1 - len(n)))  # one set more takes the rows that fill up
        return flat[np.pad(rows, (0, room))], np.pad(segment, (0, room), constant_values=BATCH), n

    state = [jax.tree.map(jnp.asarray, weights), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2))]
    seconds, t = [], 0
    for _ in range(epochs):
        start = time.perf_counter()
        for numbers in np.array_split(rng.permutation(len(sizes)), range(BATCH, len(sizes), BATCH)):
            t += 1
            target = np.pad(y[numbers], (0, BATCH - len(numbers)))
            state = step(*state, float(t), *batch(numbers), target, np.arange(BATCH) < len(numbers))
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - start)
    infer = jax.jit(forward)

    def predict():
        groups = np.array_split(np.arange(len(sizes)), range(BATCH, len(sizes), BATCH))
        return [np.asarray(infer(state[0], *batch(numbers))) for numbers in groups]

    return seconds, predict


def jax_weights(rng, dims):
    """Weights and biases of layers of these widths."""
    return [(rng.normal(0, a**-0.5, (a, b)).astype(np.float32), np.zeros(b, np.float32)) for a, b in pairwise(dims)]


def torchmil(case, sets, y, epochs):
    """torchmil: its dataset of bags and its collate function, which pads."""
    import torch
    from tensordict import TensorDict
    from torchmil.data import collate_fn

    phi, rho, optimizer = torch_model(case)

    def bags():
        return [
            TensorDict({"X": torch.from_numpy(s), "Y": torch.tensor(t)}) for s, t in zip(sets, y.tolist(), strict=True)
        ]

    def forward(bag):
        return rho(padded_pool(phi(bag["X"]), bag["mask"].bool(), case.pool))

    loader = torch.utils.data.DataLoader(bags(), batch_size=BATCH, shuffle=True, collate_fn=collate_fn)

    @torch.no_grad()
    def predict():
        loader = torch.utils.data.DataLoader(bags(), batch_size=BATCH, collate_fn=collate_fn)
        return [forward(bag).argmax(1) for bag in loader]

    return train_torch(lambda: ((bag, bag["Y"]) for bag in loader), forward, optimizer, epochs), predict


def energyflow(case, sets, y, epochs):
    """EnergyFlow's particle flow network (Keras), on one padded array; it pools by a sum."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from energyflow.archs.efn import PFN

    def pad():
        x = np.zeros((len(sets), max(map(len, sets)), case.d), dtype=np.float32)
        for row, one_set in zip(x, sets, strict=True):
            row[: len(one_set)] = one_set
        return x

    model = PFN(input_dim=case.d, Phi_sizes=case.phi, F_sizes=(64,), output_dim=2, mask_val=0.0, summary=False)
    x, seconds = pad(), []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(x, np.eye(2)[y], epochs=1, batch_size=BATCH, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds, lambda: model.predict(pad(), batch_size=1_000, verbose=0)


PEERS = {
    "sk_deepsets": sk_deepsets,
    "packed loop": packed_loop,
    "sk_deepsets, GPU": functools.partial(sk_deepsets, device="cuda"),
    "packed loop, 1 thread": functools.partial(packed_loop, threads=1),
    "packed loop, GPU": functools.partial(packed_loop, device="cuda"),
    "padded loop": padded_loop,
    "padded loop, bucketed": functools.partial(padded_loop, bucketed=True),
    "padded skorch": padded_skorch,
    "PyG": pyg,
    "packed JAX": packed_jax,
    "torchmil": torchmil,
    "EnergyFlow": energyflow,
}


def peak_memory():
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Run one peer on one case; print what was measured as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--shrink", type=int, default=1, help="take one set in so many")
    args = parser.parse_args()
    case = CASES[args.case]
    case.n_sets //= args.shrink
    sets, y = case.data()
    before = peak_memory()
    seconds, predict = PEERS[args.peer](case, sets, y, args.epochs + 1)
    predict()
    start = time.perf_counter()
    predict()
    predict_seconds = time.perf_counter() - start
    epoch = float(np.median(seconds[1:]))  # the first epoch warms up
    print(json.dumps({"epoch": epoch, "predict": predict_seconds, "memory": peak_memory() - before}))


if __name__ == "__main__":
    main()
