"""Control flow: which subgraph runs, and how often."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, Outputs, operator


@operator("If")
def if_(call: Call, condition: Tensor) -> Outputs:
    """Return the outputs of one of two subgraphs."""
    return tuple(call.get("then_branch" if bool(condition) else "else_branch")())


@operator("Loop")
def loop(call: Call, limit: Tensor | None, condition: Tensor | None, *carried: Tensor) -> Outputs:
    """Run a subgraph again and again; return the values that it hands on, and those of each time, stacked."""
    values, scanned = list(carried), []
    go_on, count = condition is None or bool(condition), 0
    while go_on and (limit is None or count < int(limit)):
        kept, *outputs = call.get("body")(torch.tensor(count), torch.tensor(True), *values)
        values = outputs[: len(carried)]
        scanned.append(outputs[len(carried) :])
        go_on, count = bool(kept), count + 1
    if not scanned and call.outputs > len(carried):
        raise ValueError("expected at least one run of its body, got none: the outputs of each run have no shape")
    return *values, *(torch.stack(outputs) for outputs in zip(*scanned, strict=True))
