from __future__ import annotations
import threading
from contextlib import contextmanager
import torch
from torch import nn
_local = threading.local()
@contextmanager
def random_generator(generator):
    known = getattr(_local, "g", {})
    _local.g = known | {generator.device.type: generator}
    try:
        yield
    finally:
        _local.g = known
def current_generator(device):
    return getattr(_local, "g", {}).get(torch.device(device).type)
class Dropout(nn.Module):
    def __init__(self, p):
        super().__init__(); self.p = p
    def forward(self, x):
        if not self.training or not self.p: return x
        return x * torch.empty_like(x).bernoulli_(1 - self.p, generator=current_generator(x.device)) / (1 - self.p)
