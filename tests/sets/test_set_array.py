import io
import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.tests.extension import base
from sklearn.model_selection import train_test_split

from sk_deepsets import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype


def ones(values):
    """Sets of one element with one feature: numbers enough for pandas' suite to compare them with ==."""
    return SetArray(RaggedSets(np.array(values, dtype=float)[:, None], np.arange(len(values) + 1)))


@pytest.fixture
def dtype():
    return SetDtype()


@pytest.fixture
def data():
    return ones(range(1, 11))


@pytest.fixture
def data_missing():
    return SetArray(RaggedSets(np.array([[1.0]]), [0, 0, 1]))


@pytest.fixture(params=["data", "data_missing"])
def all_data(request, data, data_missing):
    return data if request.param == "data" else data_missing


@pytest.fixture
def na_value(dtype):
    return dtype.na_value


@pytest.fixture
def na_cmp():
    return lambda one_set, na_value: len(one_set) == 0 and na_value is pd.NA


@pytest.fixture
def invalid_scalar():
    return object()


@pytest.fixture(params=[True, False])
def box_in_series(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_array(request):
    return request.param


@pytest.fixture(params=["ffill", "bfill"])
def fillna_method(request):
    return request.param


@pytest.fixture
def using_nan_is_na():
    return True


class TestDtype(base.BaseDtypeTests):
    pass


class TestConstructors(base.BaseConstructorsTests):
    pass


class TestInterface(base.BaseInterfaceTests):
    pass


class TestGetitem(base.BaseGetitemTests):
    pass


class TestSetitem(base.BaseSetitemTests):
    pass


class TestPrinting(base.BasePrintingTests):
    pass


class TestReshaping(base.BaseReshapingTests):
    pass


class TestMissing(base.BaseMissingTests):
    pass


class TestCasting(base.BaseCastingTests):
    pass
