"""What a rule is, and what rules do to nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import onnx

from onnxdc.model_io.upgrade.surroundings import Surroundings

Convert: TypeAlias = Callable[[onnx.NodeProto, Surroundings], list[onnx.NodeProto]]
"""Takes a node, which it may change; returns the nodes that take its place, or raises UnconvertibleError."""


@dataclass(frozen=True)
class Rule:
    """What becomes of the nodes of one operator.

    Attributes:
        before: The operator set that changed it: nodes of older ones are converted.
        convert: How.
    """

    before: int
    convert: Convert


def take(node: onnx.NodeProto, *names: str) -> list[Any]:
    """Remove attributes from a node and return their values, None for those that it has not."""
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute if each.name in names}
    kept = [each for each in node.attribute if each.name not in names]
    if values:
        rest = onnx.NodeProto(attribute=kept)
        node.ClearField("attribute")
        node.attribute.extend(rest.attribute)
    return [values.get(name) for name in names]


def set_attributes(node: onnx.NodeProto, **attributes: Any) -> None:
    """Add attributes to a node that does not have them."""
    node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes.items())


def with_inputs(node: onnx.NodeProto, constants: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Append constants to the inputs of a node, and return them all."""
    constants = list(constants)
    node.input.extend(constant.output[0] for constant in constants)
    return [*constants, node]
