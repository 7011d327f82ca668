"""What an ONNX program computes: from padded sets to what an estimator predicts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sk_deepsets.io._steps import Input
from sk_deepsets.nn import pack, unpack


class Served(nn.Module):
    """From padded sets to what an estimator predicts.

    Parameters
    ----------
    core : nn.Module
        From packed sets, and ``context``, to outputs.
    fitted : Fitted
    inputs : dict of str to Input
        What stands in front of the core.
    dtype : torch.dtype
        Of the answers; float32 is that of the whole program.
    """

    def __init__(self, core: nn.Module, fitted: Any, inputs: dict[str, Input], dtype: torch.dtype) -> None:
        super().__init__()
        target, encoder = fitted.target, fitted.reader.encoder
        self.core, self.decoder, self.dtype = core, target.decoder, dtype
        # a list: a module dict takes no name such as "items"
        self.steps = nn.ModuleList(each.layer() for each in inputs.values())
        self.per_element = target.per_element
        self.is_flat = target.classes is None and target.is_flat
        self.n_categories, self.n_context_categories = encoder.n_categories, encoder.n_context_categories
        if dtype == torch.float32:
            self.float()

    def forward(self, x: Tensor, mask: Tensor, context: Tensor | None = None) -> Tensor:
        """Answers for each set, or for each element of a set with 0 under the mask."""
        x = with_known_codes(self.steps[0](x), self.n_categories)
        given = {}
        if context is not None:
            given["context"] = with_known_codes(self.steps[1](context), self.n_context_categories)
        packed = pack(x, mask)
        answers = self.decoder(self.core(packed, **given).to(self.dtype), packed)
        if self.per_element:
            answers = unpack(answers, x, mask)
        return answers[..., 0] if self.is_flat else answers


class ServedCollections(Served):
    """The same for several collections: an array and a mask of each come before the context, if there is one."""

    def __init__(self, core: nn.Module, fitted: Any, inputs: dict[str, Input], dtype: torch.dtype) -> None:
        super().__init__(core, fitted, inputs, dtype)
        self.encoder = fitted.reader.encoder

    def forward(self, *inputs: Tensor) -> Tensor:  # type: ignore[override]
        """Answers for each row."""
        tables, masks = [], []
        widths = self.encoder.widths
        for number, (name, width) in enumerate(widths.items()):
            x = with_known_codes(self.steps[number](inputs[2 * number]), self.encoder.encoders[name].n_categories)
            ones = torch.ones_like(x[..., :1])
            zeros = [torch.zeros_like(ones)] * (max(widths.values()) - width)
            tables.append(torch.cat([x, *zeros, number * ones], dim=-1))
            masks.append(inputs[2 * number + 1].bool())
        given = {}
        if len(inputs) > 2 * len(widths):
            given["context"] = with_known_codes(self.steps[-1](inputs[-1]), self.n_context_categories)
        packed = pack(torch.cat(tables, dim=1), torch.cat(masks, dim=1))
        answers = self.decoder(self.core(packed, **given).to(self.dtype), packed)
        return answers[..., 0] if self.is_flat else answers


def with_known_codes(table: Tensor, n_categories: list[int]) -> Tensor:
    """The same with 0 for codes of categories, the last columns, that are none: -1 and NaN, say."""
    if not n_categories:
        return table
    n_numbers = table.shape[-1] - len(n_categories)
    codes = table[..., n_numbers:]
    known = (codes >= 0) & (codes <= torch.tensor(n_categories, dtype=table.dtype)) & (codes == codes.floor())
    return torch.cat([table[..., :n_numbers], torch.where(known, codes, 0)], dim=-1)
