"""Sets in, sets or rows out; and the targets of elements."""

from sk_deepsets.preprocessing._aggregator import SetAggregator
from sk_deepsets.preprocessing._element_targets import read_targets, with_rows
from sk_deepsets.preprocessing._element_transformer import ElementTransformer
from sk_deepsets.preprocessing._features import check_features
from sk_deepsets.preprocessing._padder import SetPadder

__all__ = ["ElementTransformer", "SetAggregator", "SetPadder", "check_features", "read_targets", "with_rows"]
