"""How a node of operator set 1 to 6 is written in operator set 7, for the operators that changed in between.

They broadcast in ways of their own, and said whether they train. onnxruntime runs few of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx

from onnxdc.model_io.upgrade.rule import Convert, Rule, set_attributes, take, with_inputs
from onnxdc.model_io.upgrade.surroundings import Surroundings, UnconvertibleError


def _broadcasting(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Align the second input, whose axes lay along those of the first one from ``axis`` on, or else along the last."""
    axis, _ = take(node, "axis", "broadcast")
    if axis is None:
        return [node]
    ranks = [len(_shape(name, around)) for name in node.input]
    start = axis + ranks[0] if axis < 0 else axis
    return _with_more_axes(node, around, ranks[1], ranks[0] - start)


def _prelu(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Slopes ``[channels]`` lay along axis 1."""
    x, slope = (_shape(name, around) for name in node.input)
    many = len(slope) == 1 and slope[0] != 1
    return _with_more_axes(node, around, 1, len(x) - 1) if many else [node]


def _with_more_axes(node: onnx.NodeProto, around: Surroundings, rank: int, wanted: int) -> list[onnx.NodeProto]:
    """Give the second input of a node axes of size 1 after its own, if it has fewer than are wanted."""
    if wanted <= rank:
        return [node]
    name = around.new_name(node, "aligned")
    aligned = onnx.helper.make_node("Unsqueeze", [node.input[1]], [name], axes=list(range(rank, wanted)))
    node.input[1] = name
    return [aligned, node]


def _shape(name: str, around: Surroundings) -> list[int]:
    shape = around.shape(name)
    if shape is None:
        raise UnconvertibleError("its shapes are not known")
    return shape


def _inference(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Refuse a node that runs as in training, which was the default."""
    (is_test,) = take(node, "is_test")
    if not is_test:
        raise UnconvertibleError("it runs as in training, expected is_test=1")
    return [node]


def _without(*attributes: str) -> Convert:
    """Return a rule that drops attributes which change nothing any more."""

    def convert(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
        take(node, *attributes)
        return [node]

    return convert


def _with_defaults(**attributes: float) -> Convert:
    """Return a rule that says the old defaults where nothing is said."""

    def convert(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
        given = {each.name for each in node.attribute}
        set_attributes(node, **{name: value for name, value in attributes.items() if name not in given})
        return [node]

    return convert


def _cast(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Give the type as a number, where it was a text."""
    (to,) = take(node, "to")
    name = to.decode(errors="replace").upper() if isinstance(to, bytes) else str(to)
    if name not in list(onnx.TensorProto.DataType.keys()):
        raise UnconvertibleError(f"expected the name of a type, got {name[:20]!r}")
    set_attributes(node, to=onnx.TensorProto.DataType.Value(name))
    return [node]


def _lp_pool(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Give the norm as an integer, where it was a float."""
    (p,) = take(node, "p")
    if p is not None and int(p) != p:
        raise UnconvertibleError(f"expected an integer for p, got {p:g}")
    set_attributes(node, p=2 if p is None else int(p))
    return [node]


def _pad(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Give the pads their name of today."""
    (pads,) = take(node, "paddings")
    if pads is not None:
        set_attributes(node, pads=pads)
    return [node]


def _reshape(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Make the shape an input, where it was an attribute."""
    (shape,) = take(node, "shape")
    if shape is None:
        raise UnconvertibleError("expected an attribute shape")
    return with_inputs(node, [around.constant(node, "shape", shape)])


def _split(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Make the sizes an attribute, where they could be an input."""
    if len(node.input) > 1:
        sizes = _constant(node.input[1], around)
        del node.input[1:]
        set_attributes(node, split=[int(size) for size in sizes])
    return [node]


def _tile(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """One axis was repeated."""
    if len(node.input) != 3:
        raise UnconvertibleError(f"expected 3 inputs, got {len(node.input)}")
    count, axis = (int(_constant(name, around)[0]) for name in node.input[1:])
    repeats = np.ones(len(_shape(node.input[0], around)), np.int64)
    if not -repeats.size <= axis < repeats.size:
        raise UnconvertibleError(f"expected an axis below {repeats.size}, got {axis}")
    repeats[axis] = count
    del node.input[1:]
    return with_inputs(node, [around.constant(node, "repeats", repeats)])


def _constant(name: str, around: Surroundings) -> np.ndarray:
    values = around.values(name)
    if values is None or not values.size:
        raise UnconvertibleError(f"expected a constant for {name}")
    return values.reshape(-1)


def _upsample(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Take it for images, as it was."""
    scales = take(node, "height_scale", "width_scale")
    if None in scales:
        raise UnconvertibleError("expected attributes height_scale and width_scale")
    set_attributes(node, scales=[1.0, 1.0, *scales])
    return [node]


RULES: Final = {
    **dict.fromkeys(("Add", "Div", "Mul", "Pow", "Sub"), Rule(7, _broadcasting)),
    **dict.fromkeys(("And", "Equal", "Greater", "Less", "Or", "Xor"), Rule(7, _broadcasting)),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), Rule(7, _without("output_sequence"))),
    **dict.fromkeys(("BatchNormalization", "Dropout"), Rule(7, _inference)),
    **dict.fromkeys(("GlobalLpPool", "LpPool"), Rule(2, _lp_pool)),
    "Cast": Rule(6, _cast),
    "Concat": Rule(4, _with_defaults(axis=1)),
    "Gemm": Rule(7, _without("broadcast")),
    "PRelu": Rule(7, _prelu),
    "Pad": Rule(2, _pad),
    "Reshape": Rule(5, _reshape),
    "Selu": Rule(6, _with_defaults(alpha=1.6732, gamma=1.0507)),
    "Split": Rule(2, _split),
    "Tile": Rule(6, _tile),
    "Upsample": Rule(7, _upsample),
}
