"""One thread for torch, since the data of the tests are small; and small estimators of many kinds, fitted once."""

import pytest
import torch
from hypothesis import settings

from tests.models import CASES

# of a property for which a test names no number; every run draws others
settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def fitted():
    """``fitted(name)``: the case of that name, and its estimator, which is fitted once."""
    models = {}

    def find(name):
        if name not in models:
            models[name] = CASES[name].fit()
        return CASES[name], models[name]

    return find
