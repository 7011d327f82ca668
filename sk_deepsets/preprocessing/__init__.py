"""Sets in, sets or rows out; and the targets of elements."""

from sk_deepsets.preprocessing._aggregator import SetAggregator
from sk_deepsets.preprocessing._element_targets import read_targets, with_rows
from sk_deepsets.preprocessing._element_transformer import ElementTransformer
from sk_deepsets.preprocessing._features import check_features
from sk_deepsets.preprocessing._padder import SetPadder

__all__ = ["ElementTransformer", "SetAggregator", "SetPadder", "check_features", "read_targets", "with_rows"]

from sk_deepsets.preprocessing._column_encoder import ColumnEncoder
from sk_deepsets.preprocessing._set_encoder import SetEncoder
def read_element_targets(y, sets, name=""):
    s = sets
    if sets.rows is not None and not hasattr(sets.elements, "index"):
        import pandas as pd, numpy as np
        from sk_deepsets.sets import RaggedSets
        s = RaggedSets(pd.DataFrame(sets.elements, index=sets.rows, columns=[f"x{i}" for i in range(sets.n_features)]), sets.offsets)
    return read_targets(y, s, name)
