"""CollectionsEncoder: several collections of encoded sets as one set for each row, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sk_deepsets.preprocessing._set_encoder import NumberColumns, SetEncoder
from sk_deepsets.sets import RaggedSets, collection_rows, join_collections, split_collections


class CollectionsEncoder:
    """Encodes several collections, and the context beside them.

    Parameters
    ----------
    encoders : mapping of str to SetEncoder
        Of each collection, fitted.
    widths : mapping of str to int
        How many columns each has.
    context_encoder : SetEncoder
        Of sets without elements that have the context.
    """

    def __init__(
        self, encoders: Mapping[str, SetEncoder], widths: Mapping[str, int], context_encoder: SetEncoder
    ) -> None:
        self.encoders, self.widths, self.context_encoder = dict(encoders), dict(widths), context_encoder

    @property
    def n_context_features(self) -> int | None:
        """See :class:`SetEncoder`."""
        return self.context_encoder.n_context_features

    @property
    def n_columns(self) -> int:
        """See :class:`SetEncoder`; the widest collection, and its number."""
        return max(self.widths.values()) + 1

    @property
    def n_categories(self) -> list[int]:
        """None in the last columns of what ``join`` gives, where those of each collection are not."""
        return []

    @property
    def n_context_categories(self) -> list[int]:
        """See :class:`SetEncoder`."""
        return self.context_encoder.n_context_categories

    def join(self, encoded: Mapping[str, RaggedSets], context: RaggedSets, index: Any) -> RaggedSets:
        """One set for each row, of what the encoders gave, with the context of sets without elements."""
        return join_collections([*encoded.values()], self.context_encoder.transform(context).context, index)

    def split(self, joined: RaggedSets) -> dict[str, RaggedSets]:
        """The collections of what ``join`` gave, without context."""
        return dict(zip(self.widths, split_collections(joined, [*self.widths.values()]), strict=True))

    def block_sizes(self, joined: RaggedSets) -> np.ndarray:
        """See :class:`SetEncoder`."""
        n_collections = len(self.widths)
        places = joined.segments * n_collections + joined.elements[:, -1].astype(np.int64)
        return np.bincount(places, minlength=len(joined) * n_collections).reshape(len(joined), n_collections)

    def find_empty(self, joined: RaggedSets) -> tuple[np.ndarray, list[str]]:
        """See :class:`SetEncoder`."""
        return self.block_sizes(joined) == 0, [*self.widths]

    def split_elements(self, values: np.ndarray, joined: RaggedSets) -> dict[str, list[np.ndarray]]:
        """Values of all elements as one array per set, by collection."""
        found, segments = {}, joined.segments
        for number, name in enumerate(self.widths):
            rows = collection_rows(joined, number)
            ends = np.cumsum(np.bincount(segments[rows], minlength=len(joined)))
            found[name] = np.split(values[rows], ends[:-1])
        return found

    def number_columns(self, joined: RaggedSets) -> dict[str, NumberColumns]:
        """See :class:`SetEncoder`; by collection."""
        columns = {
            name: self.encoders[name].number_columns(sets)["element"] for name, sets in self.split(joined).items()
        }
        return columns | self.context_encoder.context_columns(joined)
