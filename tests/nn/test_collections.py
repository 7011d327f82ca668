"""DeepSetsCollections against sums by hand, and each collection against a net of its own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets.nn import (
    CollectionColumns,
    CollectionProjection,
    CollectionStatistics,
    Columns,
    DeepSetsCollections,
    DeepSetsEnsemble,
    PackedSets,
    Projection,
    Scalings,
    Standardize,
    Statistics,
    Variant,
    split_collections,
)

WIDTHS = [3, 2]


def joined(parts, n_sets):
    """The sets of two collections, lists with one array (n_i, d) each, in one table."""
    rows, segments = [], []
    for number in range(n_sets):
        for collection, sets in enumerate(parts):
            padded = np.zeros((len(sets[number]), max(WIDTHS) + 1))
            padded[:, : WIDTHS[collection]] = sets[number]
            padded[:, -1] = collection
            rows.append(padded)
            segments += [number] * len(padded)
    segments = torch.tensor(segments, dtype=torch.int64)
    elements = torch.tensor(np.concatenate(rows), dtype=torch.float32)
    return PackedSets(elements, segments, torch.bincount(segments, minlength=n_sets))


def make_sets(rng, n_sets, most=5):
    return [[rng.normal(size=(rng.integers(0, most), width)) for _ in range(n_sets)] for width in WIDTHS]


def make_net(**options):
    torch.manual_seed(0)
    dims = {"phi_hidden_dims": (4,), "rho_hidden_dims": (5,), "output_dim": 2, "pool_type": ("mean", "max")} | options
    return DeepSetsCollections({"orders": {"input_dim": 3}, "visits": {"input_dim": 2}}, WIDTHS, **dims)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_with_sums_and_without_layers_the_output_is_linear_in_the_sums_of_each(seed, n_sets):
    parts = make_sets(np.random.default_rng(seed), n_sets)
    net = make_net(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum")
    weight, bias = net.rho[0].weight.detach().numpy(), net.rho[0].bias.detach().numpy()
    sums = [np.concatenate([orders.sum(axis=0), visits.sum(axis=0)]) for orders, visits in zip(*parts, strict=True)]
    found = net(joined(parts, n_sets)).detach().numpy()
    np.testing.assert_allclose(found, np.array(sums) @ weight.T + bias, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_elements_does_not_matter_within_nor_across_collections(seed):
    rng = np.random.default_rng(seed)
    packed = joined(make_sets(rng, 4), 4)
    order = torch.from_numpy(np.lexsort((rng.random(len(packed.segments)), packed.segments.numpy())))
    net = make_net()
    shuffled = packed._replace(elements=packed.elements[order])
    torch.testing.assert_close(net(shuffled), net(packed), rtol=1e-4, atol=1e-6)


def test_split_gives_the_rows_and_sizes_of_each_collection():
    parts = make_sets(np.random.default_rng(3), 6)
    packed = joined(parts, 6)
    for found, sets, width in zip(split_collections(packed, 2), parts, WIDTHS, strict=True):
        assert found.packed.sizes.tolist() == [len(one) for one in sets]
        np.testing.assert_allclose(found.packed.elements[:, :width], np.concatenate(sets), rtol=1e-6)
        torch.testing.assert_close(packed.elements[found.rows], found.packed.elements)
        torch.testing.assert_close(packed.segments[found.rows], found.packed.segments)


@pytest.mark.parametrize("encoder", ["elementwise", "equivariant"])
def test_each_collection_is_embedded_as_by_itself(encoder):
    parts = make_sets(np.random.default_rng(1), 5)
    net = make_net(encoder=encoder)
    embedded = net.embed(joined(parts, 5))
    assert embedded.shape == (5, net.embedding_dim)
    for number, (sets, columns) in enumerate(zip(parts, embedded.split(8, dim=1), strict=True)):
        sizes = torch.tensor([len(one) for one in sets])
        alone = PackedSets(
            torch.tensor(np.concatenate(sets), dtype=torch.float32), torch.repeat_interleave(sizes), sizes
        )
        torch.testing.assert_close(net.embeddings[number].pool(alone, net.embeddings[number].encode(None)), columns)


def make_ensemble(variants, context=False):
    torch.manual_seed(2)

    def columns(width, names):
        table = torch.randn(50, width)
        return Columns(Scalings(table, Standardize(table.mean(0).double(), table.std(0).double()), names), width)

    own = [columns(width, {"standard", "intervals"}) for width in WIDTHS]
    statistics = CollectionStatistics([Statistics(each.scalings.standardize, each.n_numbers) for each in own])
    width = sum(4 * width + 2 for width in WIDTHS)
    return DeepSetsEnsemble(
        variants,
        2,
        CollectionColumns(own),
        statistics,
        columns(width, {"standard"}),
        2,
        context=columns(2, {"standard"}) if context else None,
        names=["orders", "visits"],
        sum_scale=[0.5, 0.25],
        phi_hidden_dims=(4,),
        rho_hidden_dims=(5,),
    ).eval()


VARIANTS = (Variant(("intervals",), ("standard",)), Variant(("standard",), sums=True))


@pytest.mark.parametrize("context", [False, True])
def test_without_each_element_the_ensemble_gives_what_it_gives_for_the_set_without_it(context):
    rng = np.random.default_rng(5)
    parts, n_sets = make_sets(rng, 4), 4
    given_context = torch.tensor(rng.normal(size=(n_sets, 2)), dtype=torch.float32) if context else None
    packed, ensemble = joined(parts, n_sets), make_ensemble(VARIANTS, context)
    found = ensemble.leave_one_out(packed, given_context)
    for row in range(len(packed.segments)):
        kept = torch.arange(len(packed.segments)) != row
        segments = packed.segments[kept]
        without = PackedSets(packed.elements[kept], segments, torch.bincount(segments, minlength=n_sets))
        torch.testing.assert_close(found[row], ensemble(without, None, given_context)[packed.segments[row]])


def test_an_ensemble_is_the_same_where_the_elements_are_scaled_in_chunks(monkeypatch):
    from sk_deepsets.nn import _deep_sets_ensemble

    packed, ensemble = joined(make_sets(np.random.default_rng(6), 4), 4), make_ensemble(VARIANTS)
    expected = ensemble(packed)
    monkeypatch.setattr(_deep_sets_ensemble, "SCALED_AT_ONCE", 1)
    torch.testing.assert_close(ensemble(packed), expected)


def test_scaled_columns_are_those_of_each_collection_and_keep_its_number():
    packed, ensemble = joined(make_sets(np.random.default_rng(7), 4), 4), make_ensemble(VARIANTS)
    scaled = ensemble.elements(packed.elements)
    for number, (part, columns) in enumerate(
        zip(split_collections(packed, 2), ensemble.elements.collections, strict=True)
    ):
        own = scaled[part.rows]
        torch.testing.assert_close(own[:, : columns.width], columns(part.packed.elements[:, : WIDTHS[number]]))
        assert (own[:, columns.width : -1] == 0).all()
        assert (own[:, -1] == number).all()


def test_the_way_from_the_mean_is_that_of_the_own_collection():
    packed, ensemble = joined(make_sets(np.random.default_rng(8), 4), 4), make_ensemble(VARIANTS)
    way = ensemble.from_mean(packed.elements.double())
    for number, (part, mean) in enumerate(zip(split_collections(packed, 2), ensemble.mean_elements(), strict=True)):
        width = WIDTHS[number]
        torch.testing.assert_close(way[part.rows, :width], part.packed.elements[:, :width].double() - mean)
    assert (way[:, -1] == 0).all()


def test_a_projection_leaves_the_other_collection_as_it_is():
    rng = np.random.default_rng(0)
    parts = make_sets(rng, 4)
    mean, scale, components = rng.normal(size=2), rng.uniform(1, 2, 2), rng.normal(size=(1, 2))
    own = Projection(Standardize(torch.tensor(mean), torch.tensor(scale)), torch.tensor(components), counts=False)
    # the last column of the first collection is a code, behind its two numbers
    projection = CollectionProjection([own, None], WIDTHS)
    packed = joined(parts, 4)
    found, table = projection(packed.elements).numpy(), packed.elements.double().numpy()
    assert found.shape == (len(table), 3)
    first = table[:, -1] == 0
    wanted = np.c_[(table[first, :2] - mean) / scale @ components.T, table[first, 2]]
    np.testing.assert_allclose(found[first, :2], wanted, rtol=1e-6)
    np.testing.assert_allclose(found[~first, :2], table[~first, :2])
    np.testing.assert_array_equal(found[:, -1], table[:, -1])
    assert projection.output_dims == [1, None]
    assert projection.means[1] is None
