"""Five other ways to learn on sets, as torch modules that the estimators take by ``module=``
==========================================================================================

Each is built as ``Module(input_dim=…, output_dim=…)`` and called as ``forward(x, mask)`` with a padded batch
``x (b, m, d)`` and ``mask (b, m)``, which is True where there is an element; it returns
``(b, output_dim)``, also for empty sets::

    DeepSetsClassifier(module=SelfAttention, module__width=128).fit(X, y)

``compare_methods.py`` measures them beside Deep Sets.
"""

import torch
from torch import nn

from sk_deepsets.nn import masked_pool

POOLS = ("mean", "max")


def two_layers(input_dim, width):
    """A small net for elements, pairs and edges."""
    return nn.Sequential(nn.Linear(input_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


def head(input_dim, width, output_dim):
    """What follows the pool."""
    return nn.Sequential(nn.Linear(input_dim, width), nn.ReLU(), nn.Linear(width, output_dim))


class PairwiseCoupling(nn.Module):
    """The mean of a net over all pairs: Janossy pooling with k = 2 (Murphy et al., 2019). Exact, with M² pairs."""

    def __init__(self, input_dim, output_dim, width=32):
        super().__init__()
        self.first, self.second = nn.Linear(input_dim, width), nn.Linear(input_dim, width, bias=False)
        self.pair = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(width, width), nn.ReLU(inplace=True))
        self.rho = head(width, width, output_dim)

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        x = x * mask.unsqueeze(2)
        # the first layer of a net of [x_i, x_j] is a sum of two maps; an element makes a pair with itself, too
        hidden = self.pair(self.first(x).unsqueeze(2) + self.second(x).unsqueeze(1))  # (b, m, m, width)
        are_pairs = (mask.unsqueeze(2) & mask.unsqueeze(1)).to(x.dtype).flatten(1)  # (b, m * m)
        total = torch.bmm(are_pairs.unsqueeze(1), hidden.flatten(1, 2))[:, 0]  # (b, width)
        return self.rho(total / are_pairs.sum(dim=1, keepdim=True).clamp(min=1))


class SortAndRead(nn.Module):
    """A GRU that reads the elements in the order of a learned score.

    Sorting has no gradient: the score learns only as a feature that the GRU reads. Two elements that change places in
    the order change the output by a jump.
    """

    def __init__(self, input_dim, output_dim, width=64):
        super().__init__()
        self.score = nn.Linear(input_dim, 1)
        self.read = nn.GRU(input_dim + 1, width, batch_first=True)
        self.rho = head(width, width, output_dim)

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        x = x * mask.unsqueeze(2)
        scores = self.score(x)
        order = scores.masked_fill(~mask.unsqueeze(2), torch.inf).argsort(dim=1)  # padding comes last
        ordered = torch.cat([x, scores], dim=2).gather(1, order.expand(-1, -1, x.shape[2] + 1))
        if x.shape[1] == 0:
            return self.rho(x.new_zeros(len(x), self.read.hidden_size))
        read, _ = self.read(ordered)  # (b, m, width)
        sizes = mask.sum(dim=1)
        last = read[torch.arange(len(x), device=x.device), (sizes - 1).clamp(min=0)]
        return self.rho(last * (sizes > 0).unsqueeze(1))


class SelfAttention(nn.Module):
    """Two layers of self-attention among all elements, as in a transformer without positions, and a pool."""

    def __init__(self, input_dim, output_dim, width=64, n_heads=4):
        super().__init__()
        self.enter = nn.Linear(input_dim, width)
        self.attend = nn.ModuleList(nn.MultiheadAttention(width, n_heads, batch_first=True) for _ in range(2))
        self.feed = nn.ModuleList(head(width, width, width) for _ in range(2))
        self.rho = head(2 * width, width, output_dim)

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        hidden = self.enter(x * mask.unsqueeze(2))
        # a row without any element would be NaN: its first place stands in, and the pool leaves it out
        is_first = torch.arange(mask.shape[1], device=mask.device) == 0
        hidden_places = ~mask & ~(is_first & (mask.sum(dim=1, keepdim=True) == 0))
        for attend, feed in zip(self.attend, self.feed, strict=True):
            if mask.shape[1]:
                hidden = hidden + attend(hidden, hidden, hidden, key_padding_mask=hidden_places, need_weights=False)[0]
            hidden = hidden + feed(hidden)
        return self.rho(masked_pool(hidden, POOLS, mask))


class EdgeConvolution(nn.Module):
    """Edge convolutions on the nearest neighbours, found anew in each layer: DGCNN (Wang et al., 2019)."""

    def __init__(self, input_dim, output_dim, width=64, n_neighbors=8):
        super().__init__()
        self.n_neighbors = n_neighbors
        self.edges = nn.ModuleList([two_layers(2 * input_dim, width), two_layers(2 * width, width)])
        self.rho = head(2 * width, width, output_dim)

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        hidden = x * mask.unsqueeze(2)
        for edge in self.edges:
            distance = torch.cdist(hidden, hidden).masked_fill(~mask.unsqueeze(1), torch.inf)  # (b, m, m)
            nearest = distance.topk(min(self.n_neighbors, mask.shape[1]), largest=False).indices  # (b, m, k)
            rows = torch.arange(len(x), device=x.device).view(-1, 1, 1)
            there, neighbors = mask[rows, nearest], hidden[rows, nearest]  # (b, m, k), (b, m, k, d)
            center = hidden.unsqueeze(2).expand_as(neighbors)
            messages = edge(torch.cat([center, neighbors - center], dim=3)).masked_fill(~there.unsqueeze(3), 0)
            # the messages are not negative: those of padding, 0, change no maximum
            hidden = messages.amax(dim=2) if nearest.shape[2] else messages.sum(dim=2)
        return self.rho(masked_pool(hidden, POOLS, mask))


class PaddedMLP(nn.Module):
    """A plain net on the padded array: the control, which depends on the order and sees the first 30 elements only."""

    def __init__(self, input_dim, output_dim, width=64, n_places=30):
        super().__init__()
        self.n_places = n_places
        self.net = nn.Sequential(two_layers(n_places * (input_dim + 1), width), nn.Linear(width, output_dim))

    def forward(self, x, mask):
        """Outputs (b, output_dim)."""
        x = torch.cat([x * mask.unsqueeze(2), mask.unsqueeze(2)], dim=2)[:, : self.n_places]
        return self.net(nn.functional.pad(x, (0, 0, 0, self.n_places - x.shape[1])).flatten(1))


SET_METHODS = {
    "pairwise coupling": PairwiseCoupling,
    "sort + GRU": SortAndRead,
    "self-attention": SelfAttention,
    "edge convolution": EdgeConvolution,
    "padded MLP": PaddedMLP,
}
