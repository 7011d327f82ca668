"""What the tests of the torch core share: padded batches, and the laws that hold for every module."""

import pytest
import torch
from torch.export import Dim, export

FILLERS = (float("nan"), float("inf"), float("-inf"), 1e30)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def make_batch():
    def make(sizes, dim=3, width=None, dtype=torch.float64, seed=0):
        """Sets of the given sizes; their elements stand anywhere in a row, and 0 stands elsewhere."""
        generator = torch.Generator().manual_seed(seed)
        width = max(sizes, default=0) + 1 if width is None else width
        x = torch.zeros(len(sizes), width, dim, dtype=dtype)
        mask = torch.zeros(len(sizes), width, dtype=torch.bool)
        for row, size in enumerate(sizes):
            places = torch.randperm(width, generator=generator)[:size]
            mask[row, places] = True
            x[row, places] = torch.randn(size, dim, generator=generator, dtype=torch.float64).to(dtype)
        return x, mask

    return make


@pytest.fixture(scope="session")
def assert_mask_hides():
    def check(module, x, mask, *context):
        """Output and gradients are the same bit for bit whatever stands under the mask, and finite."""
        expected, expected_grads = _run(module, x, mask, context)
        for filler in FILLERS:
            output, grads = _run(module, x.masked_fill(~mask[..., None], filler), mask, context)
            assert torch.equal(output, expected)
            assert output.isfinite().all()
            for grad, expected_grad in zip(grads, expected_grads, strict=True):
                assert torch.equal(grad, expected_grad)
                assert grad.isfinite().all()
            assert (grads[0][~mask] == 0).all()

    return check


def _run(module, x, mask, context):
    x = x.clone().requires_grad_()
    output = module(x, *context, mask)
    leaves = [x, *module.parameters()]
    weights = torch.linspace(1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    grads = torch.autograd.grad((output * weights).sum(), leaves, materialize_grads=True)
    return output.detach(), grads


@pytest.fixture(scope="session")
def assert_sums_in_order():
    def check(output):
        """No gradient is summed as that of ``values[segments]`` is: by threads, in the order in which they come."""
        nodes, seen = [output.grad_fn], set()
        while nodes:
            node = nodes.pop()
            if node is not None and node not in seen:
                assert node.name() != "IndexBackward0"
                seen.add(node)
                nodes += [follower for follower, _ in node.next_functions]
        assert len(seen) > 3

    return check


@pytest.fixture(scope="session")
def assert_repeats_on_two_threads():
    def check(module, packed, *context):
        """Gradients are the same bit for bit in each of ten runs."""
        assert packed.elements.shape[0] * 64 > 2**16  # smaller tensors stay on one thread
        runs = []
        torch.set_num_threads(2)
        try:
            for _ in range(10):
                output = module(packed, *context)
                weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
                runs.append(torch.autograd.grad((output * weights).sum(), [*module.parameters()]))
        finally:
            torch.set_num_threads(1)
        for run in runs[1:]:
            assert all(torch.equal(one, other) for one, other in zip(runs[0], run, strict=True))

    return check


@pytest.fixture(scope="session")
def assert_exports(make_batch):
    def check(module, context_dim=None):
        """An exported program gives the module's output for other batch sizes and set sizes."""
        if torch.__version__ < "2.8":
            pytest.skip("torch.export before torch 2.8 knows no sets of any size")
        b, m = Dim("b"), Dim("m")
        inputs = {}
        for name, sizes in {"example": [3, 1, 4], "other": [0, 7, 2, 1, 8]}.items():
            x, mask = make_batch(sizes, dtype=torch.float32)
            context = () if context_dim is None else (torch.randn(len(sizes), context_dim),)
            inputs[name] = (x, *context, mask)
        shapes = ({0: b, 1: m}, *([] if context_dim is None else [{0: b}]), {0: b, 1: m})
        module = module.eval()
        program = export(module, inputs["example"], dynamic_shapes=shapes).module()
        for arguments in inputs.values():
            torch.testing.assert_close(program(*arguments), module(*arguments))

    return check


@pytest.fixture(scope="session")
def assert_trains():
    def check(module, target, *arguments):
        """A plain training loop brings the squared error down to less than half."""
        optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
        losses = []
        for _ in range(80):
            optimizer.zero_grad()
            loss = (module(*arguments) - target).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] / 2

    return check


@pytest.fixture(scope="session")
def assert_state_dict_round_trip():
    def check(make_module, *arguments):
        """The weights of one module make another, built differently at random, the same."""
        trained, fresh = make_module(), make_module()
        assert not torch.equal(trained(*arguments), fresh(*arguments))
        fresh.load_state_dict(trained.state_dict())
        assert torch.equal(trained(*arguments), fresh(*arguments))

    return check
