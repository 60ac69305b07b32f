"""The weights of the original that those of a file were made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.walk import graphs
from onnxdc.graph.weights import NamedConstant, named_constants
from onnxdc.passes.fold import fold


class Originals:
    """The constants of an original, folded if the file was made of a folded one.

    Args:
        original: The original; a copy of it may be folded.
        decoded: The file, decoded.
    """

    def __init__(self, original: ir.Model, decoded: ir.Model) -> None:
        plain, found = _constants(original), _operators(decoded)
        models = [plain]
        if _operators(original) != found:
            folded = original.clone()
            fold(folded)
            models.insert(0, _constants(folded))
        self._models = models

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the values of the constant of a name, in this shape; None if there is none.

        Layers on integers may have the weight of a Gemm transposed.
        """
        for constants in self._models:
            constant = constants.get(name)
            tensor = None if constant is None else constant_tensor(constant.value)
            if constant is None or tensor is None or not tensor.dtype.is_floating_point():
                continue
            own = tuple(tensor.shape.numpy())
            if own == shape:
                return read_constant(constant.value, constant.name)
            if len(own) == 2 and own[::-1] == shape:
                return np.ascontiguousarray(read_constant(constant.value, constant.name).T)
        return None


def _constants(model: ir.Model) -> dict[str, NamedConstant]:
    return {constant.name: constant for constant in named_constants(model)}


def _operators(model: ir.Model) -> Counter[str]:
    return Counter(_op_types(model))


def _op_types(model: ir.Model) -> Iterator[str]:
    return (node.op_type for _, graph in graphs(model) for node in graph if node.op_type != "Constant")
