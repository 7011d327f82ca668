"""Mistakes put into the code on purpose, one at a time: which of them do the tests find?

``python tests/mutants.py`` makes each change in a copy of the repository, runs the tests of that file and their
neighbours until the first failure, and says which mutants lived. Some words choose mutants by their file or code. The
exit status is 1 if fewer than 95 % are found, or if a change no longer fits the code.
"""

import os
import shutil
import signal
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ENOUGH = 0.95


class Mutant(NamedTuple):
    """A change of one place of a file of the package, and the tests that should see it."""

    file: str
    old: str
    new: str
    tests: str


def of(file, tests, *changes):
    """Several mutants of one file."""
    return [Mutant(file, old, new, tests) for old, new in changes]


MUTANTS = [
    *of(
        "nn/_pools.py",
        "tests/nn/test_pools.py tests/nn/test_chunked.py",
        ("return known[0] / divisor(sizes)", "return known[0] / sizes.unsqueeze(1)"),
        ("return (-packed.max(-packed.elements),)", "return (packed.max(-packed.elements),)"),
        ("sizes.clamp(min=1)", "sizes.clamp(min=2)"),
        ("(squares - sums.square() / divisor(sizes)).clamp(min=0) / divisor(sizes)", "squares / divisor(sizes)"),
        ("squares + 2 * moved * sums + counts", "squares + moved * sums + counts"),
        ("rest = packed.elements - packed.spread(near)", "rest = packed.elements"),
        ("positive = variance != 0", "positive = variance > 1e-3"),
        ("known[0] if self.scale == 1.0 else known[0] * self.scale", "known[0]"),
        ("(scores - packed.spread(largest)).exp()", "scores.exp()"),
        ("tanh.tanh() * gate.sigmoid()", "tanh.tanh() * gate"),
        ("parts.sum(sums * shrink), parts.sum(totals * shrink)", "parts.sum(sums), parts.sum(totals)"),
    ),
    *of(
        "nn/_packed.py",
        "tests/nn/test_packed.py tests/nn/test_deep_sets_pack.py tests/nn/test_pools.py tests/nn/test_deep_sets.py",
        ("self.sizes.cumsum(0) - self.sizes, mode", "self.sizes.cumsum(0), mode"),
        ("(self.segments + before)", "(self.segments + 0 * before)"),
        ("mask = mask.bool()\n    segments", "mask = torch.ones_like(mask).bool()\n    segments"),
        ("elements.new_zeros(shape).index_put", "elements.new_ones(shape).index_put"),
        ("segments, sizes = torch.repeat_interleave(n_blocks), n_blocks", "segments, sizes = segments, n_blocks"),
    ),
    *of(
        "nn/_equivariant.py",
        "tests/nn/test_equivariant.py",
        ("packed.sum(packed.elements) * self.sum_scale", "packed.sum(packed.elements)"),
        ("packed.spread(self.Gamma(pooled))", "self.Gamma(packed.elements)"),
        ("output = packed.elements + output", "output = output"),
    ),
    *of(
        "nn/_fusion.py",
        "tests/nn/test_fusion.py",
        ("packed.spread(gamma) * hidden + packed.spread(beta)", "hidden + packed.spread(beta)"),
        ("packed.elements + packed.spread(self.projection(context))", "packed.elements"),
    ),
    *of(
        "nn/_standardize.py",
        "tests/nn/test_standardize.py tests/estimators/test_scaling.py",
        (") / self.scale", ") * self.scale"),
        ("x.to(torch.promote_types(x.dtype, self.mean.dtype)) - self.mean", "x.float() - self.mean.float()"),
    ),
    *of(
        "nn/_scalings.py",
        "tests/nn/test_scalings.py",
        ("knots.diff(dim=1) <= near", "knots.diff(dim=1) <= 0 * near"),
    ),
    *of(
        "nn/_links.py",
        "tests/nn/test_links.py",
        ("return yes - no", "return yes"),
        ("outputs.log_softmax(dim=2) if", "outputs if"),
    ),
    *of(
        "training/_batches.py",
        "tests/training/test_batches.py",
        ("shift = self._offsets[numbers] - ends + sizes", "shift = self._offsets[numbers] - ends"),
        ("len(sizes) if weight is None else int((weight > 0).sum())", "len(sizes)"),
        ("begin, end = self._sets.offsets[[first, last]]", "begin, end = self._sets.offsets[[first, last - 1]]"),
        ("weight / weight[weight > 0].mean()", "weight"),
        ("None if self._context is None else self._context[key]", "self._context"),
        ('side="right") - 1\n', 'side="right")\n'),
        ("min(max(int(last), bounds[-1] + 1)", "min(max(int(last), bounds[-1] + 9)"),
    ),
    *of(
        "training/_callbacks.py",
        "tests/training/test_callbacks.py",
        ("            if loss < best.loss:", "            if loss <= best.loss + 1:"),
        ("if waited >= patience:", "if waited > patience:"),
        ("net.module_.load_state_dict(self._best.weights)", "pass"),
    ),
    *of(
        "training/_net.py",
        "tests/training/test_net.py tests/training/test_members.py",
        ("losses.mean() if X.weight is None else losses.sum() / max(X.n_terms, 1)", "losses.mean()"),
        ("losses * ~own", "losses * own"),
    ),
    *of(
        "training/_net.py",
        "tests/estimators/test_callbacks.py",
        ("self.interrupted_ = not _is_early_stopping(error)", "self.interrupted_ = True"),
        ("return isinstance(error, EndOfTraining) or by_skorch", "return isinstance(error, EndOfTraining)"),
    ),
    *of(
        "training/_checkpoint.py",
        "tests/training/test_checkpoint.py",
        ("if hashlib.sha256(content[DIGEST_SIZE:]).digest() != content[:DIGEST_SIZE]:", "if False:"),
        ("net.max_epochs -= len(net.history) - n_before", "pass"),
    ),
    *of(
        "sets/_to_array.py",
        "tests/sets/test_to_array.py tests/sets/test_ragged.py",
        ("isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part)", "False"),
        ("refused = BYTES if strings else TEXT", "refused = BYTES"),
        ("return to_pandas(value) if is_table(type(value)) else", "return"),
    ),
    *of(
        "estimators/_check_targets.py",
        "tests/estimators/test_check_targets.py",
        ("    if missing.any():", "    if False:"),
        ("0 <= float(value) < np.inf", "0 <= float(value)"),
        ("    if not np.isfinite(total):", "    if False:"),
    ),
    *of(
        "estimators/_outcome.py",
        "tests/estimators/test_outcome.py",
        ("sets.locate(row)[0] if estimator._target.of_elements else row", "row"),
        ("        squares[left_out] = 0\n", ""),
    ),
    *of(
        "estimators/_fingerprint.py",
        "tests/estimators/test_fingerprint.py",
        ("value.co_code, value.co_exceptiontable, value.co_consts", "value.co_code, value.co_exceptiontable"),
        ("return sorted(_of(one, known)", "return list(_of(one, known)"),
        ('getattr(value, "__module__", None), reduced', "reduced"),
    ),
    *of(
        "estimators/_supervised.py",
        "tests/estimators/test_check_targets.py",
        ('check_labels(y, index, "y")', "pass"),
        ('check_labels(sample_weight, index, "sample_weight")', "pass"),
    ),
    *of(
        "estimators/_set_estimators.py",
        "tests/estimators/test_members.py",
        ("weight / weight[weight > 0].mean()", "weight"),
    ),
    *of(
        "estimators/_scaling.py",
        "tests/estimators/test_scaling.py",
        ("tiny = variance < SMALLEST_SQUARES", "tiny = variance < 0"),
    ),
    *of(
        "training/_runtime.py",
        "tests/training/test_devices.py",
        ("with torch.inference_mode(False), ", "with nullcontext(), "),
        ("CPU if is_elsewhere else nullcontext()", "nullcontext()"),
    ),
    *of(
        "preprocessing/_set_encoder.py",
        "tests/preprocessing/test_set_encoder.py",
        (">= exact", "> exact"),
    ),
    *of(
        "sets/_check.py",
        "tests/sets/test_check.py tests/sets/test_missing.py",
        ('if missing_sets == "error" and missing.any():', "if False:"),
        ("elements.max() <= FLOAT32_MAX", "elements.max() <= np.inf"),
        ("elements.min() >= -FLOAT32_MAX and", ""),
        ("if len(sets.elements) < ensure_min_elements:", "if len(sets.elements) > 10**9:"),
        ("number, place = sets.locate(row)\n    feature", "number, place = row, row\n    feature"),
    ),
    *of(
        "sets/_ragged.py",
        "tests/sets/test_ragged.py",
        ('side="right")) - 1', 'side="left")) - 1'),
        ("np.repeat(self.offsets[key] - offsets[:-1], sizes)", "np.repeat(self.offsets[key], sizes)"),
        ("begins - begins[0], self._numbers[key]", "begins, self._numbers[key]"),
    ),
    *of(
        "sets/_sequence.py",
        "tests/sets/test_ragged.py",
        ("offsets[0] == 0 and ", ""),
        ("(np.diff(offsets) >= 0).all()", "True"),
    ),
    *of(
        "sets/_from_arrays.py",
        "tests/sets/test_from_arrays.py tests/sets/test_check.py",
        ("if (widths[known] != width).any():", "if (widths[known] > width).any():"),
        ('return 0, 1, "after"', "pass"),
        ("if issubclass(kind, NOT_NUMBERS):", "if False:"),
        ('if array.dtype.kind == "c":', "if False:"),
    ),
    *of(
        "sets/_from_long.py",
        "tests/sets/test_from_long.py",
        ("return context.iloc[rows]", "return context.iloc[: len(rows)]"),
        ("    if len(twice):", "    if False:"),
        ("if differs.any():", "if False:"),
    ),
    *of(
        "sets/_padded.py",
        "tests/sets/test_padded.py",
        ("np.arange(width) < sizes[:, None]", "np.arange(width) <= sizes[:, None] - 1 + (sizes[:, None] > 1)"),
        ("self.values[number][self.mask[number]]", "self.values[number]"),
    ),
    *of(
        "sets/_labels.py",
        "tests/sets/test_labels.py",
        ("if set(labels) == set(index):", "if False:"),
        ("flat[order], index=rows[order])", "flat, index=rows[order])"),
    ),
    *of(
        "preprocessing/_padder.py",
        "tests/preprocessing/test_padder.py",
        ("rank - sets.offsets[segments] < most", "rank - sets.offsets[segments] <= most"),
        ("np.lexsort((key, segments))", "np.lexsort((segments, key))"),
    ),
    *of(
        "io/_onnx.py",
        "tests/io/test_onnx.py",
        ("(codes >= 0) & ", ""),
        (" & (codes == codes.floor())", ""),
    ),
    *of(
        "io/_container.py",
        "tests/io/test_container.py",
        ("if content[DIGEST] != _digest(content):", "if False:"),
        ("not 0 <= begin <= end <= len(content) - start or", ""),
        ("found.update(memoryview(content)[DIGEST.stop :])", "found.update(memoryview(content)[200:])"),
    ),
]


def fails(tests, folder):
    """Whether one of these tests fails, or they take ten minutes, in a process that need not import torch again."""
    child = os.fork()
    if not child:
        code = 3
        try:
            signal.alarm(600)
            os.chdir(folder)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code > 2:  # 2: a file cannot even be imported
        raise RuntimeError(f"pytest {' '.join(tests)} ended with {code}, which says nothing of its tests.")
    return code != 0


def is_found(mutant, folder):
    """Whether a test fails in a copy of the repository with this mistake."""
    path = folder / "sk_deepsets" / mutant.file
    code = path.read_text()
    if code.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file} has {code.count(mutant.old)} times {mutant.old!r}; wanted is once.")
    path.write_text(code.replace(mutant.old, mutant.new))
    tests = [one for one in mutant.tests.split() if (folder / one).exists()]
    try:
        return fails(tests, folder)
    finally:
        path.write_text(code)


def main(words):
    """Try all mutants, or those with one of some words in them."""
    chosen = [one for one in MUTANTS if not words or any(word in one.file + one.old for word in words)]
    n_found = 0
    for package in ("pandas", "sklearn", "skorch", "torch"):
        import_module(package)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        for mutant in chosen:
            found = is_found(mutant, copy)
            n_found += found
            print("found" if found else "LIVES", mutant.file, repr(mutant.old), "->", repr(mutant.new), flush=True)
    print(f"{n_found} of {len(chosen)} mutants found")
    return int(n_found < ENOUGH * len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
