import pytest
import torch
from torch import nn

from sk_deepsets.nn import MixedColumns
from sk_deepsets.nn._columns import embedding_dim


def test_numbers_and_the_embedding_of_each_category_stand_side_by_side():
    layer = MixedColumns(nn.Identity(), 2, [3, 5])
    x = torch.tensor([[0.5, 1.5, 3, 0], [2.5, 3.5, 1, 5]])
    first, second = (embedding.weight for embedding in layer.embeddings)
    wanted = torch.stack([torch.cat([x[i, :2], first[a], second[b]]) for i, (a, b) in enumerate([(3, 0), (1, 5)])])
    assert torch.equal(layer(x), wanted)
    assert layer.output_dim == wanted.shape[1]


def test_the_unknown_category_is_zero_and_stays_so():
    layer = MixedColumns(nn.Identity(), 0, [4])
    layer(torch.tensor([[0.0], [2.0]])).sum().backward()
    assert not layer.embeddings[0].weight[0].any()
    assert not layer.embeddings[0].weight.grad[0].any()
    assert layer.embeddings[0].weight.grad[2].all()


@pytest.mark.parametrize("count", [1, 2, 10, 1000, 100_000])
def test_more_categories_have_wider_embeddings_up_to_a_limit(count):
    assert 1 <= embedding_dim(count) <= 64
    assert embedding_dim(count) <= embedding_dim(2 * count)


def test_large_codes_survive_float32():
    layer = MixedColumns(nn.Identity(), 0, [100_000])
    x = torch.tensor([[99_999.0], [100_000.0]])
    assert torch.equal(layer(x), layer.embeddings[0].weight[[99_999, 100_000]])
