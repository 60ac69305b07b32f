"""The body of a model-local function, written with one call an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxdc.domain.operators import DOMAIN

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Reference:
    """An attribute of a node in the body whose value is an attribute of the function.

    Attributes:
        name: The name of the attribute of the function.
        kind: Its type, an AttributeProto.AttributeType.
    """

    name: str
    kind: int


class Body:
    """The body of one function. Values get names of a letter or two: the body travels in every compressed file."""

    def __init__(self, name: str, inputs: Sequence[str], opset: int) -> None:
        self.name, self.opset = name, opset
        self._inputs = list(inputs)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[object, ...], str] = {}
        self._known: dict[tuple[object, ...], str] = {}
        self._names = (name for name in map(letters, count()) if name not in self._inputs)

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Append a standard operator, or take the same one that is there; return the name of its output."""
        key = (op_type, inputs, *((name, str(value)) for name, value in attributes.items()))
        if key not in self._known:
            self._known[key] = self._node("", op_type, inputs, 1, attributes)[0]
        return self._known[key]

    def outputs(self, count: int, op_type: str, *inputs: str, **attributes: Any) -> list[str]:
        """Append a standard operator; return the names of its first ``count`` outputs."""
        return self._node("", op_type, inputs, count, attributes)

    def call(self, function: str, *inputs: str, **attributes: Any) -> str:
        """Append a call of another function of the domain; return the name of its output."""
        return self._node(DOMAIN, function, inputs, 1, attributes)[0]

    def calls(self, count: int, function: str, *inputs: str) -> list[str]:
        """Append a call of another function of the domain; return the names of its ``count`` outputs."""
        return self._node(DOMAIN, function, inputs, count, {})

    def _node(
        self, domain: str, op_type: str, inputs: Sequence[str], outputs: int, attributes: dict[str, Any]
    ) -> list[str]:
        names = [next(self._names) for _ in range(outputs)]
        plain = {key: value for key, value in attributes.items() if not isinstance(value, Reference)}
        node = helper.make_node(op_type, inputs, names, domain=domain or None, **plain)
        for key, value in attributes.items():
            if isinstance(value, Reference):
                node.attribute.add(name=key, ref_attr_name=value.name, type=value.kind)
        self._nodes.append(node)
        return names

    def constant(self, values: object, kind: int) -> str:
        """Return the name of a constant; equal ones are written once."""
        array = np.array(values)
        key = (kind, array.shape, *array.flat)
        if key not in self._constants:
            tensor = _nameless(helper.make_tensor("", kind, array.shape, array.flatten().tolist()))
            self._constants[key] = self.op("Constant", value=tensor)
        return self._constants[key]

    def int32(self, values: object) -> str:
        """Return the name of a constant of int32, the type of all arithmetic on bits and positions."""
        return self.constant(values, TensorProto.INT32)

    def int64(self, values: object) -> str:
        """Return the name of a constant of int64, the type of shapes."""
        return self.constant(values, TensorProto.INT64)

    def filled(self, size: str, kind: int, value: int = 0) -> str:
        """Append ``size``, int64 [1], elements of one value; return their name."""
        return self.op("ConstantOfShape", size, value=_nameless(helper.make_tensor("", kind, [1], [value])))

    def unsqueeze(self, data: str, axis: int) -> str:
        """Append an axis of size 1; return the name of the result."""
        if self.opset >= 13:
            return self.op("Unsqueeze", data, self.int64([axis]))
        return self.op("Unsqueeze", data, axes=[axis])

    def reduce_sum(self, data: str, axis: int, keepdims: int = 0) -> str:
        """Append the sum over an axis, which goes, or stays with a size of 1; return its name."""
        if self.opset >= 13:
            return self.op("ReduceSum", data, self.int64([axis]), keepdims=keepdims)
        return self.op("ReduceSum", data, axes=[axis], keepdims=keepdims)

    def split(self, data: str, sizes: Sequence[int]) -> list[str]:
        """Cut a tensor along its first axis; return the names of the parts."""
        if self.opset >= 13:
            return self.outputs(len(sizes), "Split", data, self.int64(sizes))
        return self.outputs(len(sizes), "Split", data, split=list(sizes))

    def columns(self, data: str, count: int) -> list[str]:
        """Cut a matrix of ``count`` columns into them; return their names."""
        number = {"num_outputs": count} if self.opset >= 18 else {}
        return self.outputs(count, "Split", data, axis=1, **number)

    def concat(self, *parts: str, axis: int = 0) -> str:
        """Join parts; return the name of the result, which is the part itself if there is one."""
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=axis)

    def function(self, *outputs: str) -> onnx.FunctionProto:
        """Return the finished function. It declares the attributes that its body refers to, and no others."""
        nested = any(node.domain == DOMAIN for node in self._nodes)
        imports = [helper.make_opsetid("", self.opset), *([helper.make_opsetid(DOMAIN, 1)] if nested else [])]
        references = {a.ref_attr_name for node in self._nodes for a in node.attribute if a.ref_attr_name}
        return helper.make_function(DOMAIN, self.name, self._inputs, outputs, self._nodes, imports, sorted(references))


def _nameless(tensor: TensorProto) -> TensorProto:
    """Drop the name of a tensor: it takes room even if it is empty."""
    tensor.ClearField("name")
    return tensor


def letters(number: int) -> str:
    """Return the name of a number: a, b, ..., z, aa, ab, ..."""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, len(_LETTERS))
        name = _LETTERS[letter] + name
    return name
