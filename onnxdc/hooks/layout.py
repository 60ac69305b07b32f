"""How a weight lies in the common frameworks: the permutation of axes from ONNX's layout into theirs."""

from __future__ import annotations

from onnxdc.graph.slots import int_attribute
from onnxdc.graph.trace import Use

# PyTorch has [out, in, ...] for products and convolutions, Keras and Flax have [..., in, out].
_TORCH, _KERAS, _FLAX = "torch", "keras", "flax"


def framework_layouts(use: Use, rank: int) -> dict[str, tuple[int, ...]]:
    """Return a permutation of axes for each framework, by which its layer holds a weight of this use.

    ``numpy.transpose(weight, layout[framework])`` is the weight as the layer has it. The result is empty where the
    operator has no such layer, the gates of recurrent layers come in another order, or something between the weight and
    its operator changes its shape.
    """
    node = use.node
    if use.way is not None or node.domain != "":
        return {}
    same = tuple(range(rank))
    channels_last = (*range(2, rank), 1, 0)
    if node.op_type == "Conv":
        return {_TORCH: same, _KERAS: channels_last, _FLAX: channels_last}
    if node.op_type == "ConvTranspose":  # Flax does not turn its kernel round
        return {_TORCH: same, _KERAS: channels_last}
    if node.op_type == "Gather" and rank == 2 and int_attribute(node, "axis", 0) == 0:
        return {_TORCH: same, _KERAS: same, _FLAX: same}
    if node.op_type not in ("Gemm", "MatMul") or rank != 2 or use.index != 1:
        return {}
    out_first = node.op_type == "Gemm" and int_attribute(node, "transB", 0) == 1
    turned = (1, 0)
    return {_TORCH: same, _KERAS: turned, _FLAX: turned} if out_first else {_TORCH: turned, _KERAS: same, _FLAX: same}
