"""The rows of the table in old_operators.py, one family of operators after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.helpers.old_operators import Constant, Input, Row
from tests.helpers.text_models import normal

OLD = range(1, 7)  # operators broadcast in ways of their own


def _row(
    op: str,
    *inputs: Input,
    outputs: int = 1,
    label: str = "",
    opsets: range = range(1, 11),
    expected: Sequence[np.ndarray] | np.ndarray = (),
    refused: str = "",
    **attributes: Any,
) -> Row:
    several = (expected,) if isinstance(expected, np.ndarray) else tuple(expected)
    return Row(op, inputs, attributes, outputs, label, opsets, several, refused)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


IMAGE, VOLUME, SIGNAL = normal(2, 3, 6, 7), normal(1, 2, 4, 5, 6, seed=1), normal(2, 3, 9, seed=2)
TABLE, WIDE = normal(3, 5, seed=3), normal(2, 3, 4, seed=4)
POSITIVE = np.abs(TABLE) + np.float32(0.1)
SPECIAL = _floats(-np.inf, -1e30, -1, -0.0, 0, 1, 3.3e38, np.inf, np.nan)


def _unary() -> Iterator[Row]:
    attributes: dict[str, list[dict[str, float]]] = {
        "Elu": [{}, {"alpha": 0.3}],
        "HardSigmoid": [{}, {"alpha": 0.1, "beta": 0.6}],
        "LeakyRelu": [{}, {"alpha": 0.3}],
        "Selu": [{}, {"alpha": 1.5, "gamma": 1.1}],
        "Clip": [{}, {"min": -0.5}, {"max": 0.4}, {"min": -0.5, "max": 0.4}, {"min": 0.5, "max": -0.5}],
    }
    names = "Abs Ceil Clip Elu Exp Floor HardSigmoid LeakyRelu Log Neg Reciprocal Relu Selu Sigmoid Sqrt Tanh"
    for op in names.split():
        for each in attributes.get(op, [{}]):
            x = POSITIVE if op in ("Log", "Sqrt") else TABLE
            yield _row(op, x, label=f"{each}" if each else "", **each)
            # it may have been written over its input
            yield _row(op, x, label=f"consumed {each}", consumed_inputs=[0], expected=_plain(op, x, each), **each)
    yield _row("Clip", SPECIAL, label="infinities")
    yield _row("Clip", SPECIAL, label="infinities, min", min=-2.0)
    yield _row("Clip", TABLE.astype(np.float16), label="float16", min=-0.5, max=0.5)
    yield _row("Clip", TABLE.astype(np.float64), label="float64", min=-0.5, max=0.5)
    for op in ("Abs", "Neg"):
        yield _row(op, np.array([-3, 0, 7], np.int32), label="int32")
    for op in [
        "Acos",
        "Asin",
        "Atan",
        "Acosh",
        "Asinh",
        "Atanh",
        "Cos",
        "Cosh",
        "Sin",
        "Sinh",
        "Tan",
        "Erf",
        "Sign",
        "IsNaN",
        "IsInf",
        "Softplus",
        "Softsign",
    ]:
        yield _row(op, POSITIVE + 1 if op == "Acosh" else TABLE / 4)
    yield _row("ThresholdedRelu", TABLE, label="alpha", opsets=range(7, 11), alpha=0.3)
    yield _row("Shrink", TABLE, lambd=0.3, bias=0.1)
    yield _row("Identity", TABLE)
    yield _row("Not", TABLE > 0)
    yield _row("NonZero", np.round(TABLE))
    yield _row("Shape", WIDE)
    yield _row("Size", WIDE)


def _plain(op: str, x: np.ndarray, attributes: dict[str, float]) -> np.ndarray:
    """What a function of one number gives, by its definition."""
    alpha, beta, gamma = (attributes.get(name) for name in ("alpha", "beta", "gamma"))
    negative = np.expm1(np.minimum(x, 0))
    low, high = attributes.get("min", -np.inf), attributes.get("max", np.inf)
    functions: dict[str, Any] = {
        "Abs": lambda: np.abs(x),
        "Ceil": lambda: np.ceil(x),
        "Clip": lambda: np.minimum(np.maximum(x, low), high),
        "Elu": lambda: np.where(x < 0, (1.0 if alpha is None else alpha) * negative, x),
        "Exp": lambda: np.exp(x),
        "Floor": lambda: np.floor(x),
        "HardSigmoid": lambda: np.clip((alpha or 0.2) * x + (beta or 0.5), 0, 1),
        "LeakyRelu": lambda: np.where(x < 0, (alpha or 0.01) * x, x),
        "Log": lambda: np.log(x),
        "Neg": lambda: -x,
        "Reciprocal": lambda: 1 / x,
        "Relu": lambda: np.maximum(x, 0),
        "Selu": lambda: (gamma or 1.0507) * np.where(x < 0, (alpha or 1.6732) * negative, x),
        "Sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "Sqrt": lambda: np.sqrt(x),
        "Tanh": lambda: np.tanh(x),
    }
    return functions[op]().astype(np.float32)


def _binary() -> Iterator[Row]:
    b = np.abs(normal(3, 4, seed=5)) + np.float32(0.5)
    column, row = b[:, :1].copy(), b[0].copy()
    functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power}
    a = np.abs(WIDE)
    for op, function in functions.items():
        yield _row(op, a, a + 1, label="same shape", expected=function(a, a + 1))
        for other, name in ((b, "matrix"), (column, "column"), (row, "row"), (row[:1], "one")):
            yield _row(op, a, other, label=f"numpy, {name}", opsets=range(7, 11))
            yield _row(op, a, Constant(other), label=f"numpy, constant {name}", opsets=range(7, 11))
        yield _row(op, b, a, label="numpy, first is smaller", opsets=range(7, 11))
        yield _row(op, a, b, label="broadcast", broadcast=1, expected=function(a, b))
        yield _row(op, a, Constant(b), label="broadcast constant", broadcast=1, expected=function(a, b))
        along = b[:, 0].copy()
        yield _row(op, a, along, label="broadcast, axis", broadcast=1, axis=1, expected=function(a, along[:, None]))
        yield _row(
            op,
            a,
            Constant(along),
            label="broadcast, axis, constant",
            broadcast=1,
            axis=1,
            expected=function(a, along[:, None]),
        )
        yield _row(op, a, b, label="broadcast, last axis", broadcast=1, axis=-2, expected=function(a, b))
        if op != "Pow":
            yield _row(op, a, a + 1, label="consumed", consumed_inputs=[0, 0], expected=function(a, a + 1))
            ints = np.arange(1, 7, dtype=np.int64).reshape(2, 3)
            yield _row(op, ints * 7, ints, label="int64", opsets=range(7, 11))
    for op in ("Greater", "Less"):
        for dtype in (np.float32, np.int32):
            yield _row(
                op,
                np.round(WIDE * 3).astype(dtype),
                np.round(b * 3).astype(dtype),
                label=f"{dtype.__name__}",
                opsets=range(7, 11),
            )
        compare = np.greater if op == "Greater" else np.less
        yield _row(op, WIDE, b, label="broadcast", broadcast=1, expected=compare(WIDE, b))
        yield _row(op, WIDE, WIDE[::-1].copy(), label="same shape", opsets=OLD, expected=compare(WIDE, WIDE[::-1]))
    for dtype in (np.int32, np.int64, np.bool_):
        yield _row(
            "Equal",
            np.round(WIDE).astype(dtype),
            np.round(b).astype(dtype),
            label=f"{dtype.__name__}",
            opsets=range(7, 11),
        )
    whole = np.round(WIDE).astype(np.int32)
    yield _row(
        "Equal", whole, whole[:1, :1].reshape(-1)[:4], label="broadcast", broadcast=1, expected=whole == whole[0, 0]
    )
    for op, function in (("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)):
        yield _row(op, WIDE > 0, b > 1, label="numpy", opsets=range(7, 11))
        yield _row(op, WIDE > 0, b > 1, label="broadcast", broadcast=1, expected=function(WIDE > 0, b > 1))
        yield _row(op, WIDE > 0, WIDE > 1, label="same shape", opsets=OLD, expected=function(WIDE > 0, WIDE > 1))
    for fmod in (0, 1):
        yield _row("Mod", WIDE if fmod else np.arange(-6, 6), b if fmod else _ints(5), label=f"fmod {fmod}", fmod=fmod)
    yield _row("Where", WIDE > 0, WIDE, b)
    yield _row("Expand", TABLE, Constant(_ints(2, 3, 5)))
    yield _row("Expand", TABLE[:, :1].copy(), _ints(3, 5), label="not constant")


def _variadic() -> Iterator[Row]:
    b, c = normal(2, 3, 4, seed=6), normal(2, 3, 4, seed=7)
    functions = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum, "Mean": np.add}
    for op, function in functions.items():
        whole = function(function(WIDE, b), c) / np.float32(3 if op == "Mean" else 1)
        yield _row(op, WIDE, b, c, label="three", expected=whole)
        yield _row(op, WIDE, b, c, label="consumed", consumed_inputs=[0, 0, 0], expected=whole)
        yield _row(op, WIDE, label="one")
        yield _row(op, WIDE, b[0], c[:1, :1], label="broadcast", opsets=range(8, 11))
        if op in ("Max", "Min"):
            yield _row(op, WIDE.astype(np.float64), b.astype(np.float64), label="float64")
    yield _row("Concat", WIDE, b, axis=1)
    yield _row("Concat", WIDE, b, label="negative axis", axis=-1)
    yield _row("Concat", WIDE, b, label="without axis", opsets=range(1, 4), expected=np.concatenate([WIDE, b], axis=1))


def _products() -> Iterator[Row]:
    a, b = normal(4, 6, seed=10), normal(6, 5, seed=11)
    flat, column, whole, one = (normal(*shape, seed=12) for shape in ((5,), (4, 1), (4, 5), (1,)))
    for c, name in ((flat, "row"), (column, "column"), (whole, "matrix"), (one, "one")):
        yield _row("Gemm", a, b, c, label=name, opsets=range(7, 11))
        yield _row("Gemm", a, b, Constant(c), label=f"constant {name}", opsets=range(7, 11))
        yield _row("Gemm", a, b, c, label=f"broadcast {name}", broadcast=1, expected=a @ b + c)
    yield _row("Gemm", a, b, whole, label="no broadcast", opsets=OLD, expected=a @ b + whole)
    for trans_a in (0, 1):
        for trans_b in (0, 1):
            left, right = (a.T.copy() if trans_a else a), (b.T.copy() if trans_b else b)
            attributes = {"alpha": 0.5, "beta": 2.0, "transA": trans_a, "transB": trans_b}
            label = f"transposed {trans_a} {trans_b}"
            yield _row("Gemm", left, right, flat, label=label, opsets=range(7, 11), **attributes)
            expected = (a @ b) * np.float32(0.5) + flat * np.float32(2)
            yield _row(
                "Gemm", left, right, flat, label=f"{label}, broadcast", broadcast=1, expected=expected, **attributes
            )
    yield _row("MatMul", normal(2, 3, 4), normal(4, 5, seed=1))
    yield _row("MatMul", normal(2, 3, 4), normal(2, 4, 5, seed=1), label="batch")
    yield _row(
        "MatMul", np.arange(6, dtype=np.int32).reshape(2, 3), np.arange(6, dtype=np.int32).reshape(3, 2), label="int32"
    )
    x = np.random.default_rng(0).integers(0, 255, (4, 6)).astype(np.uint8)
    w = np.random.default_rng(1).integers(0, 255, (6, 3)).astype(np.uint8)
    scale, zero = Constant(np.float32(0.05)), Constant(np.uint8(120))
    yield _row("MatMulInteger", x, Constant(w))
    yield _row("MatMulInteger", x, Constant(w), zero, zero, label="zero points")
    yield _row("QLinearMatMul", x, scale, zero, Constant(w), scale, zero, Constant(np.float32(0.3)), zero)
    image = np.random.default_rng(2).integers(0, 255, (1, 2, 5, 5)).astype(np.uint8)
    kernel = np.random.default_rng(3).integers(0, 255, (3, 2, 3, 3)).astype(np.uint8)
    yield _row("ConvInteger", image, Constant(kernel), zero, zero, pads=[1, 1, 1, 1])
    yield _row(
        "QLinearConv", image, scale, zero, Constant(kernel), scale, zero, Constant(np.float32(0.2)), zero, pads=[1] * 4
    )
    yield _row("QuantizeLinear", TABLE, scale, zero)
    yield _row("DequantizeLinear", x, scale, zero)


def _normalizations() -> Iterator[Row]:
    channels = [np.abs(normal(3, seed=seed)) + np.float32(0.2) for seed in range(4)]
    for x, name in ((IMAGE, "image"), (SIGNAL, "signal"), (normal(1, 3, 2, 3, 4), "volume"), (normal(4, 3), "matrix")):
        for constant in (False, True):
            inputs = [Constant(each) if constant else each for each in channels]
            label = f"{name}{', constants' if constant else ''}"
            yield _row("BatchNormalization", x, *inputs, label=label, opsets=range(7, 11), epsilon=1e-3, momentum=0.8)
            scale, bias, mean, variance = (each.reshape(-1, *(1,) * (x.ndim - 2)) for each in channels)
            expected = (x - mean) / np.sqrt(variance + np.float32(1e-3)) * scale + bias
            for spatial in ({}, {"spatial": 1}):
                yield _row(
                    "BatchNormalization",
                    x,
                    *inputs,
                    label=f"{label}, is_test {spatial}",
                    opsets=OLD,
                    epsilon=1e-3,
                    is_test=1,
                    expected=expected,
                    **spatial,
                )
            yield _row(
                "BatchNormalization",
                x,
                *inputs,
                label=f"{label}, consumed",
                epsilon=1e-3,
                is_test=1,
                consumed_inputs=[0] * 5,
                expected=expected,
            )
            yield _row("BatchNormalization", x, *inputs, label=f"{label}, spatial", opsets=range(7, 9), spatial=1)
    whole = [np.abs(normal(3, 6, 7, seed=seed)) + np.float32(0.2) for seed in range(4)]
    yield _row(
        "BatchNormalization", IMAGE, *whole, label="each element", opsets=range(7, 9), spatial=0, refused="spatial=0"
    )
    yield _row("BatchNormalization", IMAGE, *channels, label="training", opsets=OLD, refused="runs as in training")
    yield _row("InstanceNormalization", IMAGE, *channels[:2], epsilon=1e-3)
    centred = IMAGE - IMAGE.mean((2, 3), keepdims=True)
    scale, bias = (each.reshape(-1, 1, 1) for each in channels[:2])
    expected = centred / np.sqrt((centred**2).mean((2, 3), keepdims=True) + np.float32(1e-3)) * scale + bias
    yield _row(
        "InstanceNormalization",
        IMAGE,
        *channels[:2],
        label="consumed",
        epsilon=1e-3,
        consumed_inputs=[0, 0, 0],
        expected=expected,
    )
    yield _row("LRN", IMAGE, size=3, alpha=0.1, beta=0.5, bias=2.0)
    yield _row("LpNormalization", TABLE, axis=1, p=1)
    yield _row("MeanVarianceNormalization", IMAGE)
    yield _row("MeanVarianceNormalization", IMAGE, label="axes", axes=[0, 2])
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        yield _row(op, WIDE)
        for axis in (0, 1, 2):
            yield _row(op, WIDE, label=f"axis {axis}", axis=axis)
        yield _row(op, WIDE, label="axis -1", axis=-1)
    slopes = np.abs(normal(3, seed=8)) + np.float32(0.1)
    yield _row("PRelu", IMAGE, _floats(0.3), label="one")
    yield _row("PRelu", IMAGE, slopes[:, None, None].copy(), label="numpy", opsets=range(7, 11))
    yield _row("PRelu", IMAGE, Constant(slopes[:, None, None].copy()), label="numpy, constant", opsets=range(7, 11))
    expected = np.where(IMAGE < 0, IMAGE * slopes[:, None, None], IMAGE)
    yield _row("PRelu", IMAGE, slopes, label="channels", opsets=OLD, expected=expected)
    yield _row("PRelu", IMAGE, Constant(slopes), label="channels, constant", opsets=OLD, expected=expected)
    yield _row("PRelu", IMAGE, slopes, label="channels, consumed", consumed_inputs=[0, 0], expected=expected)
    for count in (1, 2):
        yield _row("Dropout", TABLE, outputs=count, label=f"{count} outputs", opsets=range(7, 11), ratio=0.4)
    yield _row("Dropout", TABLE, label="is_test", opsets=OLD, ratio=0.4, is_test=1, expected=TABLE)
    yield _row("Dropout", TABLE, label="consumed", ratio=0.4, is_test=1, consumed_inputs=[0], expected=TABLE)
    yield _row("Dropout", TABLE, label="training", opsets=OLD, ratio=0.4, refused="runs as in training")


def _l1(image: np.ndarray) -> np.ndarray:
    """The sums of 2 x 2 magnitudes."""
    return np.lib.stride_tricks.sliding_window_view(np.abs(image), (2, 2), (2, 3)).sum((4, 5))


def _windows() -> Iterator[Row]:
    places: list[tuple[str, dict[str, Any]]] = [
        ("plain", {}),
        ("pads", {"pads": [1, 0, 1, 1]}),
        ("strides", {"strides": [2, 3], "pads": [1, 1, 0, 1]}),
        *((mode.lower(), {"auto_pad": mode, "strides": [2, 2]}) for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")),
        ("ceil", {"ceil_mode": 1, "strides": [2, 2]}),
        ("ceil, pads", {"ceil_mode": 1, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ]
    for name, attributes in places:
        for op, more in (
            ("MaxPool", [{}, {"dilations": [2, 1]}, {"storage_order": 1}, {"storage_order": 0}]),
            ("AveragePool", [{}, {"count_include_pad": 1}, {"count_include_pad": 0}]),
            ("LpPool", [{}, {"p": 1}]),
        ):
            for extra in more if op != "LpPool" or "ceil_mode" not in attributes else ():
                label = f"{name} {extra}" if extra else name
                yield _row(op, IMAGE, label=label, kernel_shape=[3, 2], **attributes, **extra)
        if "ceil_mode" not in attributes:
            kernel = normal(4, 3, 3, 2, seed=13)
            for w, kind in ((kernel, ""), (Constant(kernel), ", constant")):
                yield _row("Conv", IMAGE, w, normal(4), label=f"{name}{kind}", **attributes)
            across = Constant(normal(3, 2, 3, 2, seed=14))
            yield _row("ConvTranspose", IMAGE, across, normal(2), label=name, **attributes)
    yield _row("MaxPool", IMAGE, outputs=2, label="indices", kernel_shape=[2, 2], strides=[2, 2])
    yield _row("MaxPool", IMAGE, outputs=2, label="indices, column major", kernel_shape=[2, 2], storage_order=1)
    for op in ("MaxPool", "AveragePool", "LpPool"):
        yield _row(op, SIGNAL, label="one axis", kernel_shape=[3], strides=[2])
        yield _row(op, VOLUME, label="three axes", kernel_shape=[2, 3, 2], strides=[2, 1, 2])
    yield _row("LpPool", IMAGE, label="without a kernel", opsets=range(1, 2), p=2.0, refused="kernel_shape")
    yield _row(
        "LpPool",
        IMAGE,
        label="p is a fraction",
        opsets=range(1, 2),
        p=1.5,
        kernel_shape=[2, 2],
        refused="an integer for p",
    )
    yield _row(
        "LpPool", IMAGE, label="p is a float", opsets=range(1, 2), p=1.0, kernel_shape=[2, 2], expected=_l1(IMAGE)
    )
    yield _row("Conv", IMAGE, Constant(normal(6, 1, 3, 3)), label="depthwise", group=3, dilations=[2, 1])
    yield _row("Conv", SIGNAL, Constant(normal(4, 3, 3)), label="one axis", strides=[2])
    yield _row("Conv", VOLUME, Constant(normal(4, 2, 2, 2, 2)), label="three axes")
    across = Constant(normal(3, 2, 3, 3, seed=15))
    yield _row("ConvTranspose", IMAGE, across, label="output_padding", strides=[2, 2], output_padding=[1, 1])
    yield _row("ConvTranspose", IMAGE, across, label="group", group=3, dilations=[2, 1])
    for auto_pad in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        yield _row(
            "ConvTranspose",
            IMAGE,
            across,
            label=f"output_shape, {auto_pad}",
            strides=[2, 2],
            output_shape=[12, 14],
            auto_pad=auto_pad,
        )
    yield _row(
        "MaxUnpool",
        np.ones((1, 1, 2, 2), np.float32),
        np.array([[[[5, 7], [13, 15]]]]),
        kernel_shape=[2, 2],
        strides=[2, 2],
    )
    yield _row(
        "MaxUnpool",
        np.ones((1, 1, 2, 2), np.float32),
        np.array([[[[5, 7], [13, 15]]]]),
        Constant(_ints(1, 1, 5, 5)),
        label="output_shape",
        kernel_shape=[2, 2],
        strides=[2, 2],
    )
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        yield _row(op, IMAGE)
    yield _row("GlobalLpPool", IMAGE, label="p", p=1)
    yield _row(
        "GlobalLpPool",
        IMAGE,
        label="p is a float",
        opsets=range(1, 2),
        p=1.0,
        expected=np.abs(IMAGE).sum((2, 3), keepdims=True),
    )
    yield _row("MaxRoiPool", IMAGE, np.array([[0, 0, 0, 4, 4]], np.float32), pooled_shape=[2, 2])
    yield _row("RoiAlign", IMAGE, np.array([[0, 0, 4, 4]], np.float32), _ints(1), output_height=2, output_width=3)


def _scaling() -> Iterator[Row]:
    up = [(2, 2), (1.25, 1.6), (3, 1), (1, 1), (1, 2.7)]
    down = [(0.5, 0.5), (0.3, 0.7), (0.9, 1.0)]
    both = [(2, 0.5), (0.6, 1.7)]
    for mode in ("nearest", "linear"):
        for scales in up + down + both:
            whole = _floats(1, 1, *scales)
            label = f"{mode} x{scales}"
            if scales in up:
                yield _row("Upsample", IMAGE, label=label, mode=mode, scales=whole.tolist(), opsets=range(1, 10))
                yield _row("Upsample", IMAGE, Constant(whole), label=label, mode=mode)
                yield _row("Upsample", IMAGE, whole, label=f"{label}, not constant", mode=mode)
            yield _row("Resize", IMAGE, Constant(whole), label=label, mode=mode)
            yield _row("Resize", IMAGE, whole, label=f"{label}, not constant", mode=mode)
        yield _row("Upsample", SIGNAL[0], label=f"{mode}, two axes", mode=mode, scales=[1.5, 2.0])
        yield _row("Resize", SIGNAL[0], Constant(_floats(0.7, 1.5)), label=f"{mode}, two axes", mode=mode)
        yield _row("Resize", VOLUME, Constant(_floats(1, 1, 2, 1.5, 0.5)), label=f"{mode}, three axes", mode=mode)
        yield _row("Upsample", VOLUME, label=f"{mode}, three axes", mode=mode, scales=[1.0, 1.0, 2.0, 1.5, 1.0])
        yield _row("Upsample", SIGNAL, label=f"{mode}, rank 3", mode=mode, scales=[1.0, 1.0, 2.0])
    yield _row("Resize", SIGNAL, Constant(_floats(1.5, 0.7, 2)), label="nearest, all of rank 3")
    yield _row(
        "Resize", np.arange(24, dtype=np.int32).reshape(1, 1, 4, 6), Constant(_floats(1, 1, 0.7, 1.4)), label="int32"
    )
    yield _row(
        "Resize", np.arange(24, dtype=np.uint8).reshape(1, 1, 4, 6), Constant(_floats(1, 1, 2, 2)), label="uint8"
    )
    yield _row("Upsample", IMAGE, label="without a mode", scales=[1.0, 1.0, 2.0, 2.0])
    yield _row(
        "Upsample",
        IMAGE,
        label="height and width",
        opsets=range(1, 7),
        height_scale=2.0,
        width_scale=3.0,
        expected=IMAGE.repeat(2, 2).repeat(3, 3),
    )
    yield _row(
        "Upsample",
        IMAGE,
        label="bilinear",
        mode="bilinear",
        scales=[1.0, 1.0, 2.0, 2.0],
        refused="expected mode nearest or linear",
    )
    yield _row(
        "Upsample",
        IMAGE,
        label="bilinear, height and width",
        mode="bilinear",
        height_scale=2.0,
        width_scale=2.0,
        refused="expected mode nearest",
    )


def _shapes() -> Iterator[Row]:
    for mode in ("constant", "reflect", "edge"):
        yield _row("Pad", IMAGE, label=mode, mode=mode, pads=[0, 0, 1, 2, 0, 0, 2, 1])
    yield _row("Pad", IMAGE, label="value", pads=[0, 1, 1, 2, 1, 0, 2, 1], value=1.5)
    yield _row("Pad", IMAGE, label="negative", pads=[0, 0, -1, 2, 0, 0, 2, -1], value=-3.0)
    yield _row("Pad", IMAGE.astype(np.float64), label="float64", pads=[0, 0, 1, 2, 0, 0, 2, 1], value=1.5)
    yield _row(
        "Pad",
        IMAGE,
        label="paddings",
        opsets=range(1, 2),
        paddings=[0, 0, 1, 2, 0, 0, 2, 1],
        expected=np.pad(IMAGE, [(0, 0), (0, 0), (1, 2), (2, 1)]),
    )
    slices: list[tuple[str, dict[str, list[int]]]] = [
        ("all axes", {"starts": [0, 1, 2, 0], "ends": [1, 3, 5, 7]}),
        ("axes", {"starts": [1, 2], "ends": [5, 4], "axes": [3, 2]}),
        ("negative", {"starts": [-3, 0], "ends": [-1, -2], "axes": [2, 3]}),
        ("beyond", {"starts": [-100, 2], "ends": [2**31 - 1, 2**63 - 1], "axes": [2, 3]}),
        ("empty", {"starts": [4], "ends": [2], "axes": [3]}),
        ("negative axis", {"starts": [1], "ends": [3], "axes": [-1]}),
    ]
    for name, bounds in slices:
        yield _row("Slice", IMAGE, label=name, **bounds)
        yield _row("Slice", IMAGE, *(Constant(_ints(*each)) for each in bounds.values()), label=f"{name}, inputs")
    yield _row("Slice", IMAGE, _ints(5, 0), _ints(-100, 7), _ints(2, 3), _ints(-2, 3), label="steps, not constant")
    yield _row(
        "Slice",
        IMAGE,
        *(Constant(each.astype(np.int32)) for each in (_ints(1), _ints(5), _ints(2), _ints(2))),
        label="steps, int32",
    )
    yield _row("Slice", np.arange(6, dtype=np.int64), label="int64", starts=[1], ends=[4])
    for axis in (0, 1, 2, 3):
        yield _row("Flatten", WIDE, label=f"axis {axis}", axis=axis)
    yield _row("Flatten", np.arange(24, dtype=np.int64).reshape(2, 3, 4), label="int64")
    yield _row("Reshape", WIDE, Constant(_ints(0, -1)), label="0 and -1")
    yield _row("Reshape", WIDE, _ints(4, 6), label="not constant")
    yield _row("Reshape", WIDE, label="attribute", shape=[0, -1], expected=WIDE.reshape(2, 12))
    yield _row("Reshape", WIDE, label="consumed", shape=[4, 6], consumed_inputs=[0], expected=WIDE.reshape(4, 6))
    yield _row("Squeeze", WIDE[:, :1, :1], axes=[1])
    yield _row("Squeeze", WIDE[:, :1, :1], label="all")
    yield _row("Unsqueeze", WIDE, axes=[0, 4])
    yield _row("Transpose", WIDE, perm=[2, 0, 1])
    for sizes in ({}, {"split": [1, 2]}):
        data = WIDE if sizes else normal(2, 4, 3)
        yield _row("Split", data, outputs=2, label=f"{sizes}", axis=1, **sizes)
    yield _row("Split", WIDE, outputs=2, label="negative axis", axis=-1)
    yield _row(
        "Split",
        WIDE,
        Constant(_floats(1, 2)),
        outputs=2,
        label="input",
        opsets=range(1, 2),
        axis=1,
        expected=(WIDE[:, :1], WIDE[:, 1:]),
    )
    yield _row(
        "Split",
        WIDE,
        _floats(1, 2),
        outputs=2,
        label="input, not constant",
        opsets=range(1, 2),
        axis=1,
        refused="expected a constant",
    )
    yield _row("Tile", WIDE, Constant(_ints(1, 2, 3)))
    yield _row(
        "Tile",
        WIDE,
        Constant(_floats(2)),
        Constant(_floats(1)),
        label="one axis",
        opsets=range(1, 6),
        expected=np.tile(WIDE, (1, 2, 1)),
    )
    for op in ("DepthToSpace", "SpaceToDepth"):
        yield _row(op, normal(1, 8, 4, 6), blocksize=2)
    positive = np.abs(TABLE) * 3
    numbers = {"float": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "double": 11}
    for name, number in numbers.items():
        yield _row("Cast", positive, label=name, to=number)
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
        yield _row("Cast", positive, label=f"{name} by name", to=name.upper(), expected=positive.astype(dtype))
    yield _row("Cast", np.array([-1, 0, 300], np.int64), label="int64 to uint8", to=2)
    yield _row("Cast", np.array(["1.5", "-3"], object), label="text to float", to=1)
    yield _row("Cast", np.array([2, -3], np.int64), label="int64 to text", to=8)
    for dtype in (np.float32, np.int64, np.bool_):
        value = onnx.numpy_helper.from_array(np.round(TABLE).astype(dtype))
        yield _row("Constant", label=dtype.__name__, value=value)
    yield _row("ConstantOfShape", _ints(2, 3))
    yield _row("ConstantOfShape", Constant(_ints(2, 3)), label="value", value=onnx.numpy_helper.from_array(_ints(7)))
    yield _row("EyeLike", TABLE, k=1)
    yield _row("EyeLike", TABLE, label="int64", dtype=7)


def _lookups() -> Iterator[Row]:
    index = np.array([[2, 0], [1, 1]], np.int64)
    for axis in (0, 1):
        yield _row("Gather", TABLE, index, label=f"axis {axis}", axis=axis)
        yield _row("Gather", TABLE, Constant(index.astype(np.int32)), label=f"axis {axis}, int32", axis=axis)
    yield _row("Gather", TABLE, index, label="axis -1", axis=-1)
    for axis in (0, 1):
        yield _row("Scatter", TABLE, index, normal(2, 2), label=f"axis {axis}", axis=axis)
    yield _row("Scatter", TABLE, Constant(index), normal(2, 2), label="constant")
    for op in ("ArgMax", "ArgMin"):
        for axis in (0, 1, 2):
            for keepdims in (0, 1):
                yield _row(op, WIDE, label=f"axis {axis} keepdims {keepdims}", axis=axis, keepdims=keepdims)
        yield _row(op, np.zeros((2, 3), np.float32), label="equal values", axis=1)
        yield _row(op, WIDE, label="axis -1", axis=-1)
    for k in (1, 3):
        yield _row("TopK", WIDE, outputs=2, label=f"{k}", k=k)
        yield _row("TopK", WIDE, outputs=2, label=f"{k}, axis 1", k=k, axis=1)
        yield _row("TopK", WIDE, Constant(_ints(k)), outputs=2, label=f"{k}, input")
        yield _row("TopK", WIDE, _ints(k), outputs=2, label=f"{k}, input, not constant", axis=1)
    yield _row("TopK", np.zeros((2, 5), np.float32), outputs=2, label="equal values", k=3)
    for axis in (-1, 0, 1):
        yield _row(
            "OneHot", _ints(0, 2, 1), Constant(_ints(4)), Constant(_floats(-1, 2)), label=f"axis {axis}", axis=axis
        )
    yield _row("OneHot", _ints(0, -1, 7), Constant(_ints(4)), Constant(_floats(0, 1)), label="beyond")
    yield _row("Compress", WIDE, np.array([True, False]), label="axis", axis=0)
    yield _row("Compress", WIDE, np.array([True, False, True]), label="flat")
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]]], np.float32)
    scores = np.array([[[0.9, 0.75, 0.6, 0.95]]], np.float32)
    limits = [Constant(_ints(3)), Constant(_floats(0.5)), Constant(_floats(0.0))]
    yield _row("NonMaxSuppression", boxes, scores, *limits)
    yield _row("NonMaxSuppression", boxes, scores, *limits, label="centres", center_point_box=1)
    yield _row("NonMaxSuppression", boxes, scores, limits[0], label="no thresholds")
    yield _row("ReverseSequence", normal(4, 3), _ints(1, 2, 4), time_axis=0, batch_axis=1)
    yield _row(
        "TfIdfVectorizer",
        np.array([1, 1, 3, 3, 3, 7], np.int32),
        mode="TF",
        min_gram_length=1,
        max_gram_length=2,
        max_skip_count=0,
        ngram_counts=[0, 2],
        ngram_indexes=[0, 1, 2],
        pool_int64s=[1, 3, 3, 3],
    )


def _reductions() -> Iterator[Row]:
    for kind in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]:
        x = np.abs(WIDE) + np.float32(0.1)
        yield _row(f"Reduce{kind}", x)
        for axes in ([0], [1, 2]):
            for keepdims in (0, 1):
                yield _row(f"Reduce{kind}", x, label=f"axes {axes} keepdims {keepdims}", axes=axes, keepdims=keepdims)
        yield _row(f"Reduce{kind}", x, label="negative axis", axes=[-1])
    yield _row("ReduceSum", np.arange(6, dtype=np.int32).reshape(2, 3), label="int32", axes=[1])


def _recurrent() -> Iterator[Row]:
    steps, batch, size, hidden = 4, 2, 3, 5
    x = normal(steps, batch, size)
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        outputs = 3 if op == "LSTM" else 2
        for direction in ("forward", "reverse", "bidirectional"):
            count = 2 if direction == "bidirectional" else 1
            w, r = normal(count, gates * hidden, size, seed=1), normal(count, gates * hidden, hidden, seed=2)
            b, h = normal(count, 2 * gates * hidden, seed=3), normal(count, batch, hidden, seed=4)
            common: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
            yield _row(op, x, Constant(w), Constant(r), outputs=outputs, label=direction, **common)
            lengths = np.array([4, 2], np.int32)
            rest = [h] if op == "LSTM" else []
            yield _row(
                op,
                x,
                Constant(w),
                Constant(r),
                Constant(b),
                lengths,
                h,
                *rest,
                outputs=outputs,
                label=f"{direction}, all",
                **common,
            )
            yield _row(
                op,
                x,
                Constant(w),
                Constant(r),
                None,
                lengths,
                outputs=outputs,
                label=f"{direction}, lengths, clip",
                clip=0.8,
                **common,
            )
            yield _row(
                op,
                x,
                Constant(w),
                Constant(r),
                outputs=outputs,
                label=f"{direction}, output_sequence",
                output_sequence=1,
                **common,
            )
        if op == "GRU":
            yield _row(
                op,
                x,
                Constant(w),
                Constant(r),
                Constant(b),
                outputs=2,
                label="linear_before_reset",
                hidden_size=hidden,
                direction="bidirectional",
                linear_before_reset=1,
            )
        if op == "LSTM":
            peepholes = Constant(normal(2, 3 * hidden, seed=5))
            yield _row(
                op,
                x,
                Constant(w),
                Constant(r),
                Constant(b),
                None,
                h,
                h,
                peepholes,
                outputs=3,
                label="peepholes",
                hidden_size=hidden,
                direction="bidirectional",
            )


def _graphs() -> Iterator[Row]:
    """Operators that hold graphs, with operators inside that are converted."""
    clip = helper.make_node("Clip", ["i1"], ["inner"], min=-0.2, max=0.3)
    other = helper.make_node("Neg", ["i1"], ["other"])
    branches = [
        helper.make_graph([node], "branch", [], [helper.make_tensor_value_info(node.output[0], 1, [3, 5])])
        for node in (clip, other)
    ]
    for condition in (True, False):
        # i1 is an input of the model that only the branches use
        row = _row("If", np.array(condition), label=f"{condition}", then_branch=branches[0], else_branch=branches[1])
        yield Row(row.op, row.inputs, row.attributes, 1, row.label, outer=(TABLE,))
    body = helper.make_graph(
        [
            helper.make_node("Clip", ["v"], ["w"], min=-0.2, max=0.3),
            helper.make_node("Add", ["w", "v"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Slice", ["next"], ["seen"], starts=[1], ends=[3], axes=[0]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", 7, []),
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info("v", 1, [3, 5]),
        ],
        [
            helper.make_tensor_value_info("on", 9, []),
            helper.make_tensor_value_info("next", 1, [3, 5]),
            helper.make_tensor_value_info("seen", 1, [2, 5]),
        ],
    )
    yield _row(
        "Loop", Constant(np.array(3)), Constant(np.array(True)), TABLE, outputs=2, opsets=range(7, 10), body=body
    )
    total = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "x"], ["new"]),
            helper.make_node("Clip", ["new"], ["seen"], min=-0.5, max=0.5),
        ],
        "body",
        [helper.make_tensor_value_info("sum", 1, [5]), helper.make_tensor_value_info("x", 1, [5])],
        [helper.make_tensor_value_info("new", 1, [5]), helper.make_tensor_value_info("seen", 1, [5])],
    )
    yield _row("Scan", np.zeros(5, np.float32), TABLE, outputs=2, opsets=range(9, 11), body=total, num_scan_inputs=1)
    yield _row(
        "Scan",
        np.zeros(5, np.float32),
        TABLE,
        outputs=2,
        label="reverse",
        opsets=range(9, 11),
        body=total,
        num_scan_inputs=1,
        scan_input_directions=[1],
        scan_output_directions=[1],
    )
    yield _row(
        "Scan",
        np.zeros(5, np.float32),
        TABLE.T.copy(),
        outputs=2,
        label="axis",
        opsets=range(9, 11),
        body=total,
        num_scan_inputs=1,
        scan_input_axes=[1],
    )
    yield _row(
        "Scan",
        None,
        np.zeros((1, 5), np.float32),
        TABLE[None],
        outputs=2,
        label="batch",
        opsets=range(8, 9),
        body=total,
        num_scan_inputs=1,
        refused="batch axis",
    )


def rows() -> list[Row]:
    """Return the whole table."""
    families = (
        *(_unary, _binary, _variadic, _products, _normalizations, _windows),
        *(_scaling, _shapes, _lookups, _reductions, _recurrent, _graphs),
    )
    return [row for family in families for row in family()]
