"""One-node models for the native kernels: a standard operator with a dense weight, and its sparse twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
import pytest
from _pytest.mark import ParameterSet
from onnx import TensorProto, helper, numpy_helper

from onnxdc import native
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.weight import TENSORS, CompressedWeight

WEIGHT = "W"


@dataclass(frozen=True)
class Pair:
    """A standard operator with a constant weight, and how to call it.

    Attributes:
        op: ``Gemm``, ``MatMul``, ``Conv`` or ``Gather``.
        weight: float32, the constant.
        feeds: the other inputs by name, in the operator's order, None for one that is left out.
        attributes: of the node.
        encoding: keyword arguments of ``encode_weight``.
    """

    op: str
    weight: np.ndarray
    feeds: Mapping[str, np.ndarray | None]
    attributes: Mapping[str, object] = field(default_factory=dict)
    encoding: Mapping[str, int] = field(default_factory=dict)

    @property
    def compressed(self) -> CompressedWeight:
        return encode_weight(self.weight, **self.encoding)

    def _model(self, op: str, group: Mapping[str, np.ndarray], attributes: Mapping[str, object]) -> onnx.ModelProto:
        """The node with ``group`` in the weight's place; dimensions of the other inputs are left open."""
        others = [name if array is not None else "" for name, array in self.feeds.items()]
        slot = 0 if self.op == "Gather" else 1
        domain, symbols = ("", []) if op == self.op else ("onnxdc", ["", ""])  # which kernels do not read
        names = [*others[:slot], *group, *symbols, *others[slot:]]
        node = helper.make_node(op, names, ["Y"], "node", domain=domain, **attributes)
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
            for name, array in self.feeds.items()
            if array is not None
        ]
        output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
        initializers = [numpy_helper.from_array(array, name) for name, array in group.items()]
        graph = helper.make_graph([node], "graph", inputs, [output], initializers)
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("onnxdc", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)

    def dense_model(self) -> onnx.ModelProto:
        return self._model(self.op, {WEIGHT: self.weight}, self.attributes)

    def sparse_model(
        self, compressed: CompressedWeight | None = None, prefix: str = "SparseQuant", **attributes: object
    ) -> onnx.ModelProto:
        """The twin; of another weight group, of another kind or with more attributes if asked for."""
        return self._model(
            f"{prefix}{self.op}",
            *group_of(compressed or self.compressed, {**self.attributes, **attributes}),
        )

    def run(self, model: onnx.ModelProto) -> np.ndarray:
        feeds = {name: array for name, array in self.feeds.items() if array is not None}
        (output,) = session(model).run(None, feeds)
        return output


def group_of(
    weight: CompressedWeight, attributes: Mapping[str, object]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The tensors of a weight group by name, and a node's attributes with those of the group added."""
    tensors = {f"{WEIGHT}.{name}": tensor for name, tensor in zip(TENSORS, weight.tensors, strict=True)}
    own = {
        "checksum": weight.checksum,
        "packet": weight.packet,
        "group_axis": weight.group_axis,
        "dtype": int(helper.np_dtype_to_tensor_dtype(weight.dtype)),
    }
    return tensors, {**own, **attributes}


def isas_of_floats() -> list[str]:
    """Those of this machine that layers on floats have kernels of their own for."""
    return [isa for isa in native.supported_isas() if isa in ("avx512", "avx2", "neon", "scalar")]


def isa_params(isas: Sequence[str]) -> list[ParameterSet]:
    """The first of them; it is slow to try all on everything, and unit tests in C++ do so on random layers."""
    return [pytest.param(isas[0]), *(pytest.param(isa, marks=pytest.mark.slow) for isa in isas[1:])]


def session(model: onnx.ModelProto, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session with the library registered; errors are raised, not logged."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(native.library_path())
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def sparse_array(rng: np.random.Generator, shape: Sequence[int], density: float = 0.2, values: int = 20) -> np.ndarray:
    """float32 with about that density and at most that many distinct nonzero values."""
    codebook = rng.standard_normal(values).astype(np.float32)
    return np.where(rng.random(shape) < density, codebook[rng.integers(0, values, shape)], np.float32(0))


def normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)
