"""Upsample and Resize of operator sets 7 to 10, written as Resize of operator set 11.

They map an output's coordinate to ``x / scale``, which became ``asymmetric``. The nearest element was the one before it
on an axis that grows and the one after it on an axis that shrinks; ``nearest_mode`` is one for all axes. Axes are
independent of each other, so where both can happen two nodes take the place of one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx

from onnxdc.model_io.upgrade.surroundings import Surroundings, UnconvertibleError

_MODES: Final = ("nearest", "linear")


def upsample(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Write an Upsample node, whose scales are 1 or more."""
    if around.opset == 10:
        raise UnconvertibleError("operator set 10 has no such operator")
    mode = _mode(node)
    if around.opset >= 9:
        return _resized(node, around, mode, [("floor", _scales(node))], [])
    scales = [list(each.floats) for each in node.attribute if each.name == "scales"]
    if not scales:
        raise UnconvertibleError("expected an attribute scales")
    constant = around.constant(node, "scales", np.array(scales[0], np.float32))
    return _resized(node, around, mode, [("floor", constant.output[0])], [constant])


def resize(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Write a Resize node, whose scales may be anything."""
    mode, scales = _mode(node), _scales(node)
    known = around.values(scales)
    if mode != "nearest" or (known is not None and np.all(known >= 1)):
        return _resized(node, around, mode, [("floor", scales)], [])
    if known is not None and np.all(known <= 1):
        return _resized(node, around, mode, [("ceil", scales)], [])
    one = around.constant(node, "one", np.ones(1, np.float32))
    up, down = around.new_name(node, "up"), around.new_name(node, "down")
    parts = [
        onnx.helper.make_node("Max", [scales, one.output[0]], [up]),
        onnx.helper.make_node("Min", [scales, one.output[0]], [down]),
    ]
    return _resized(node, around, mode, [("floor", up), ("ceil", down)], [one, *parts])


def _mode(node: onnx.NodeProto) -> str:
    given = [each.s.decode(errors="replace") for each in node.attribute if each.name == "mode"]
    mode: str = given[0] if given else "nearest"
    if mode not in _MODES:
        raise UnconvertibleError(f"expected mode {' or '.join(_MODES)}, got {mode!r}")
    return mode


def _scales(node: onnx.NodeProto) -> str:
    if len(node.input) != 2:
        raise UnconvertibleError(f"expected 2 inputs, got {len(node.input)}")
    return str(node.input[1])


def _resized(
    node: onnx.NodeProto, around: Surroundings, mode: str, steps: list[tuple[str, str]], before: list[onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Return the nodes ``before`` and a Resize for each step: its nearest_mode and its scales, one after the other."""
    roi = around.constant(node, "roi", np.zeros(0, np.float32))
    x = node.input[0]
    nodes = [*before, roi]
    for number, (nearest_mode, scales) in enumerate(steps, 1):
        last = number == len(steps)
        y = node.output[0] if last else around.new_name(node, "grown")
        attributes = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
        if mode == "nearest":
            attributes["nearest_mode"] = nearest_mode
        new = onnx.helper.make_node("Resize", [x, roi.output[0], scales], [y], **attributes)
        if last:
            new.name, new.doc_string = node.name, node.doc_string
            new.metadata_props.extend(node.metadata_props)
        nodes.append(new)
        x = y
    return nodes
