"""Random nodes of every standard operator that has a sparse one, with what may be fused into it, as two models.

The dense one is of standard operators with the weight as it is; the compressed one is a single node of the domain with
its portable body. Weights and inputs are multiples of a power of two, so that sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxdc.domain.operators import ACTIVATIONS, OPERATORS, SLOPE, Operator
from onnxdc.numeric.encoding import encode_weight, plain
from onnxdc.numeric.weight import TENSORS
from tests.helpers.portable_models import add_bodies

Draw = np.random.Generator
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One product with a constant weight, and what comes after it.

    Attributes:
        operator: What it becomes.
        weight: The constant.
        inputs: The other inputs of the operator of the domain by name, None for one that is left out. Those that the
            table calls ``before`` the weight come first.
        attributes: Those of the standard operator.
        slope: ``alpha`` of a LeakyRelu.
        plain: Whether the streams of the weight are plain.
        opset: The version of the default domain.
    """

    operator: Operator
    weight: np.ndarray
    inputs: Mapping[str, np.ndarray | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    slope: float = 0.01
    plain: bool = False
    opset: int = 20

    def __str__(self) -> str:
        shapes = {name: None if value is None else value.shape for name, value in self.inputs.items()}
        return f"{self.operator.name} {dict(self.attributes)} of W{self.weight.shape}, {shapes}"

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs that are there."""
        return {name: value for name, value in self.inputs.items() if value is not None}

    def _names(self, of: tuple[str, ...]) -> list[str]:
        """The inputs of these names, empty for those that are left out."""
        return [name if self.inputs.get(name) is not None else "" for name in of]

    def _model(self, nodes: list[onnx.NodeProto], constants: Mapping[str, np.ndarray]) -> onnx.ModelProto:
        """A model whose inputs have no shapes."""
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)
            for name, value in self.feeds.items()
        ]
        output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
        initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "random", inputs, [output], initializers)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("onnxdc", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    @cached_property
    def dense(self) -> onnx.ModelProto:
        """The standard operators."""
        operator = self.operator
        operands = [*self._names(operator.before), "W", *self._names(operator.after)]
        nodes = [helper.make_node(operator.standard, operands, ["product"], **self.attributes)]
        last = "product"
        if operator.added:
            nodes.append(helper.make_node("Add", [last, operator.added.lower()], ["sum"]))
            last = "sum"
        nodes += self._activation(last)
        return self._model(nodes, {"W": self.weight})

    def _activation(self, value: str) -> list[onnx.NodeProto]:
        make = helper.make_node
        match self.operator.activation:
            case "":
                return [make("Identity", [value], ["Y"])]
            case "Clip":
                return [make("Clip", [value, *self._names(("min", "max"))], ["Y"])]
            case "LeakyRelu":
                return [make("LeakyRelu", [value], ["Y"], alpha=self.slope)]
            case "Silu":
                return [make("Sigmoid", [value], ["gate"]), make("Mul", [value, "gate"], ["Y"])]
            case "GeluTanh":
                return [make("Gelu", [value], ["Y"], approximate="tanh")]
            case name:
                return [make(name, [value], ["Y"])]

    @cached_property
    def compressed(self) -> onnx.ModelProto:
        """The node of the domain."""
        operator, group = self.operator, encode_weight(self.weight)
        if self.plain:
            group = plain(group)
        operands = [
            *self._names(operator.before), *TENSORS, *self._names((*operator.after, *operator.fused_inputs)),
        ]  # fmt: skip
        attributes = {**self.attributes, "checksum": group.checksum, "packet": group.packet}
        if operator.activation == "LeakyRelu":
            attributes[SLOPE] = self.slope
        nodes = [helper.make_node(operator.name, operands, ["Y"], domain="onnxdc", **attributes)]
        model = self._model(nodes, dict(zip(TENSORS, group.tensors, strict=True)))
        add_bodies(model, group)
        return model


def exact(rng: Draw, shape: Shape, density: float = 1.0) -> np.ndarray:
    """Multiples of 1/8 from -2 to 2."""
    values = rng.integers(-16, 17, shape).astype(np.float32) / 8
    return np.where(rng.random(shape) < density, values, np.float32(0))


def chance(rng: Draw, share: float) -> bool:
    """True in that share of the cases."""
    return bool(rng.random() < share)


def ints(rng: Draw, count: int, low: int, high: int) -> list[int]:
    """Numbers from ``low`` to ``high``."""
    return rng.integers(low, high + 1, count).tolist()


def draw_graph(seed: int) -> Graph:
    """A graph, the same for the same seed. All four products come in turn."""
    rng = np.random.default_rng(seed)
    standard = ("Conv", "Gemm", "MatMul", "Gather")[seed % 4]
    added = {"Conv": ("", "Add"), "MatMul": ("", "Bias")}.get(standard, ("",))
    activation = "" if standard == "Gather" else rng.choice(ACTIVATIONS)
    operator = OPERATORS[f"SparseQuant{standard}{rng.choice(added)}{activation}"]
    weight, inputs, attributes = {"Conv": conv, "Gemm": gemm, "MatMul": matmul, "Gather": gather}[standard](rng)
    if operator.added == "Bias":
        inputs["bias"] = exact(rng, weight.shape[-1:])
    if operator.activation == "Clip":
        inputs["min"] = None if chance(rng, 0.3) else np.array(-1.5, np.float32)
        inputs["max"] = None if chance(rng, 0.3) else np.array(rng.choice([2.25, -2.0]), np.float32)
    slope = float(rng.choice([0.01, 0.25, -0.5, 0.0]))
    return Graph(operator, weight, inputs, attributes, slope, plain=chance(rng, 0.3))


Parts = tuple[np.ndarray, dict[str, np.ndarray | None], dict[str, Any]]


def conv(rng: Draw) -> Parts:
    """Every attribute of Conv, each at times left out; the residual comes later, when the output's shape is known."""
    axes, group = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
    kernel, strides, dilations = ints(rng, axes, 1, 4), ints(rng, axes, 1, 6), ints(rng, axes, 1, 3)
    shape = (group * int(rng.integers(1, 9)), int(rng.integers(1, 5)), *kernel)
    size = [int(rng.integers(0 if chance(rng, 0.05) else 1, 14)) for _ in range(axes)]
    x = exact(rng, (int(rng.integers(0 if chance(rng, 0.1) else 1, 4)), shape[1] * group, *size))
    padding = rng.choice(["", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    attributes: dict[str, Any] = {"group": group} if group > 1 or chance(rng, 0.5) else {}
    attributes |= {"auto_pad": str(padding)} if padding else {}
    attributes |= {"pads": ints(rng, 2 * axes, 0, 4)} if padding in ("", "NOTSET") and chance(rng, 0.7) else {}
    attributes |= {"kernel_shape": kernel} if chance(rng, 0.5) else {}
    attributes |= {"strides": strides} if chance(rng, 0.7) else {}
    if chance(rng, 0.1 if str(padding).startswith("SAME") else 0.5):  # onnxruntime takes no dilations with SAME
        attributes["dilations"] = dilations
    bias = exact(rng, shape[:1]) if chance(rng, 0.5) else None
    return exact(rng, shape, 0.4), {"X": x, "B": bias}, attributes


def gemm(rng: Draw) -> Parts:
    """Every attribute of Gemm, and every shape that C may have."""
    m, k, n = (int(size) for size in rng.choice([1, 2, 3, 5, 8, 17, 33, 70], 3))
    m = 0 if chance(rng, 0.05) else m
    flip_a, flip_b = chance(rng, 0.4), chance(rng, 0.4)
    attributes: dict[str, Any] = {"transA": int(flip_a)} if flip_a or chance(rng, 0.5) else {}
    attributes |= {"transB": int(flip_b)} if flip_b or chance(rng, 0.5) else {}
    attributes |= {"alpha": float(rng.choice([0.5, 2.0, -1.0, 0.0]))} if chance(rng, 0.5) else {}
    attributes |= {"beta": float(rng.choice([0.5, 2.0, -1.0, 0.0]))} if chance(rng, 0.5) else {}
    shapes: list[Shape | None] = [None, (), (1,), (n,), (1, n), (m, 1), (1, 1), (m, n)]
    shape = shapes[rng.integers(len(shapes))]
    c = None if shape is None else exact(rng, shape)
    a = exact(rng, (k, m) if flip_a else (m, k))
    return exact(rng, (n, k) if flip_b else (k, n), 0.4), {"A": a, "C": c}, attributes


def matmul(rng: Draw) -> Parts:
    """An A of any rank from 1."""
    k, n = (int(size) for size in rng.choice([1, 2, 5, 16, 33, 70], 2))
    outer = [int(rng.integers(0 if chance(rng, 0.1) else 1, 6)) for _ in range(rng.integers(0, 4))]
    return exact(rng, (k, n), 0.4), {"A": exact(rng, (*outer, k))}, {}


def gather(rng: Draw) -> Parts:
    """Any axis of a table of any rank from 1, and indices of any rank, those from the end among them."""
    shape = tuple(ints(rng, int(rng.integers(1, 5)), 1, 9))
    axis = int(rng.integers(-len(shape), len(shape)))
    indices_shape = tuple(ints(rng, int(rng.integers(0, 4)), 0 if chance(rng, 0.1) else 1, 4))
    length = shape[axis]
    indices = rng.integers(-length, length, indices_shape).astype(rng.choice(["int32", "int64"]))
    attributes = {"axis": axis} if axis != 0 or chance(rng, 0.5) else {}
    return exact(rng, shape, 0.5), {"indices": indices}, attributes


def residual(rng: Draw, shape: Shape) -> np.ndarray:
    """What broadcasts with an output of that shape: of the same shape, a smaller one, or one that makes it larger."""
    if chance(rng, 0.4):
        return exact(rng, shape)
    dims = [1 if chance(rng, 0.4) else dim for dim in shape]
    dims = [int(rng.integers(2, 4)) if dim == 1 and chance(rng, 0.4) else dim for dim in dims]
    dims = [dim if own in (1, dim) or dim == 1 else 1 for dim, own in zip(dims, shape, strict=True)]
    drop = int(rng.integers(0, len(dims) + 1)) if chance(rng, 0.3) else 0
    more = ints(rng, int(rng.integers(1, 3)), 1, 3) if chance(rng, 0.2) else []
    return exact(rng, (*more, *dims[drop:]) if not drop else tuple(dims[drop:]))
