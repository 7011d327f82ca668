"""Sets in, sets or rows out."""

from sk_deepsets.preprocessing._features import check_features
from sk_deepsets.preprocessing._padder import SetPadder

__all__ = ["SetPadder", "check_features"]
