"""Sets in, sets or rows out."""

from sk_deepsets.preprocessing._aggregator import SetAggregator
from sk_deepsets.preprocessing._element_transformer import ElementTransformer
from sk_deepsets.preprocessing._features import check_features
from sk_deepsets.preprocessing._padder import SetPadder

__all__ = ["ElementTransformer", "SetAggregator", "SetPadder", "check_features"]
