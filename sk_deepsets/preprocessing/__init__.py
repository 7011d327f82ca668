"""Sets in, sets or rows out; columns of several kinds as numbers; and the targets of elements."""

from sk_deepsets.preprocessing._aggregator import SetAggregator
from sk_deepsets.preprocessing._collections_encoder import CollectionsEncoder
from sk_deepsets.preprocessing._column_encoder import ColumnEncoder
from sk_deepsets.preprocessing._element_targets import read_element_targets
from sk_deepsets.preprocessing._element_transformer import ElementTransformer
from sk_deepsets.preprocessing._features import are_columns, as_labelled, check_features, columns_of, fitted_names
from sk_deepsets.preprocessing._padder import SetPadder
from sk_deepsets.preprocessing._scaling import mean_and_scale, median_and_scale, weighted_quantiles
from sk_deepsets.preprocessing._set_encoder import NumberColumns, SetEncoder, place_of_weight

__all__ = [
    "CollectionsEncoder",
    "ColumnEncoder",
    "ElementTransformer",
    "NumberColumns",
    "SetAggregator",
    "SetEncoder",
    "SetPadder",
    "are_columns",
    "as_labelled",
    "check_features",
    "columns_of",
    "fitted_names",
    "mean_and_scale",
    "median_and_scale",
    "place_of_weight",
    "read_element_targets",
    "weighted_quantiles",
]
