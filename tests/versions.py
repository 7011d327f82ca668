"""What the tests of several folders leave out with earlier versions of other packages."""

import pytest
import sklearn

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))

needs_polars_output = pytest.mark.skipif(SKLEARN < (1, 8), reason="set_output of this scikit-learn knows no polars 2")
