"""Small models whose weights are integers already, one for each way in which runtimes read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper

SIZE = 192  # of the matrices: large enough for coding to pay, functions included


def integers(
    *shape: int, dtype: Any = np.int8, spread: float = 3.0, centre: int = 0, density: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Integers around a centre, some of them 0."""
    rng = np.random.default_rng(seed)
    info = ml_dtypes.iinfo(dtype)
    drawn = np.clip(np.round(rng.standard_normal(shape) * spread) + centre, info.min, info.max)
    return np.where(rng.random(shape) < density, drawn, 0).astype(np.int16).astype(dtype)


def scales(*shape: int, seed: int = 9) -> np.ndarray:
    """Scales of weights, float32."""
    return (np.random.default_rng(seed).random(shape) / 50 + 0.01).astype(np.float32)


def model_of(
    nodes: list[onnx.NodeProto],
    x: tuple[int, list[Any]],
    y: tuple[int, int],
    opset: int = 17,
    ir_version: int = 8,
    **arrays: np.ndarray,
) -> ir.Model:
    """A model of nodes from x, with a type and a shape, to y, with a type and a rank, with these initializers."""
    tensors = [ir.to_proto(ir.Tensor(np.asarray(array), name=name)) for name, array in arrays.items()]
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", *x)],
        [helper.make_tensor_value_info("y", y[0], [None] * y[1])],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return ir.from_proto(helper.make_model(graph, opset_imports=imports, ir_version=ir_version))


FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
_ROWS = (FLOAT, ["N", SIZE])
_IMAGES: tuple[int, list[Any]] = (FLOAT, [1, 64, 9, 9])
_ZERO = np.uint8(128)


def _quantized(name: str, scale: str = "sx", zero: str = "zx") -> list[onnx.NodeProto]:
    """Nodes that quantise a value, and give it back."""
    return [
        helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}_q"]),
        helper.make_node("DequantizeLinear", [f"{name}_q", scale, zero], [f"{name}_d"]),
    ]


def qdq_conv(opset: int = 17, ir_version: int = 8, weight: np.ndarray | None = None) -> ir.Model:
    """Q and DQ around a convolution, as onnxruntime's quantiser places them; int32 bias."""
    w = integers(64, 64, 3, 3) if weight is None else weight
    nodes = [
        *_quantized("x"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["w_d"]),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["b_d"]),
        helper.make_node("Conv", ["x_d", "w_d", "b_d"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        *_quantized("r"),
        helper.make_node("Identity", ["r_d"], ["y"]),
    ]
    arrays = {"w": w, "sw": np.float32(0.02), "zw": np.zeros((), w.dtype), "b": np.arange(64, dtype=np.int32)}
    arrays |= {"sb": np.float32(0.001), "zb": np.int32(0), "sx": np.float32(0.05), "zx": _ZERO}
    return model_of(nodes, _IMAGES, (FLOAT, 4), opset, ir_version, **arrays)


def fake_quantised(dtype: Any = np.int8, channels: tuple[int, ...] = (), opset: int = 17) -> ir.Model:
    """Training for quantisation exports this: a float weight that is quantised, and given back, when the model runs."""
    nodes = [
        *_quantized("x"),
        helper.make_node("Clip", ["w", "low", "high"], ["w_c"]),
        helper.make_node("QuantizeLinear", ["w_c", "sw", "zw"], ["w_q"], axis=0),
        helper.make_node("DequantizeLinear", ["w_q", "sw", "zw"], ["w_d"], axis=0),
        helper.make_node("Conv", ["x_d", "w_d"], ["c"], pads=[1, 1, 1, 1]),
        *_quantized("c"),
        helper.make_node("Identity", ["c_d"], ["y"]),
    ]
    w = (np.random.default_rng(3).standard_normal((64, 64, 3, 3)) / 20).astype(np.float32)
    scale = 0.02 if np.dtype(dtype) == np.int8 else 0.05
    arrays = {"w": w, "sw": np.full(channels, scale, np.float32), "zw": np.zeros(channels, dtype)}
    bounds = {"low": np.float32(-0.15), "high": np.float32(0.15)}
    return model_of(nodes, _IMAGES, (FLOAT, 4), opset, 10, sx=np.float32(0.05), zx=_ZERO, **arrays, **bounds)


def qlinear_conv() -> ir.Model:
    """QLinearConv with a scale for each channel."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["x_q"]),
        helper.make_node("QLinearConv", ["x_q", "sx", "zx", "w", "sw", "zw", "sy", "zx", "b"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "sy", "zx"], ["y"]),
    ]
    arrays = {"w": integers(64, 64, 3, 3), "sw": scales(64), "zw": np.zeros(64, np.int8), "sx": np.float32(0.05)}
    return model_of(nodes, _IMAGES, (FLOAT, 4), zx=_ZERO, sy=np.float32(0.2), b=np.arange(64, dtype=np.int32), **arrays)


def qgemm(weight: np.ndarray | None = None) -> ir.Model:
    """Q and DQ around a Gemm, which becomes a QGemm."""
    w = integers(SIZE, SIZE) if weight is None else weight
    nodes = [
        *_quantized("x"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["w_d"]),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["b_d"]),
        helper.make_node("Gemm", ["x_d", "w_d", "b_d"], ["g"]),
        *_quantized("g"),
        helper.make_node("Identity", ["g_d"], ["y"]),
    ]
    arrays = {"w": w, "sw": np.float32(0.02), "zw": np.zeros((), w.dtype), "b": np.arange(SIZE, dtype=np.int32)}
    arrays |= {"sb": np.float32(0.001), "zb": np.int32(0), "sx": np.float32(0.05), "zx": _ZERO}
    return model_of(nodes, _ROWS, (FLOAT, 2), **arrays)


def matmul_integer(weight: np.ndarray | None = None) -> ir.Model:
    """A product with activations that are quantised as they come."""
    w = integers(SIZE, SIZE) if weight is None else weight
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_q", "sx", "zx"]),
        helper.make_node("MatMulInteger", ["x_q", "w", "zx", "zw"], ["p"]),
        helper.make_node("Cast", ["p"], ["f"], to=FLOAT),
        helper.make_node("Mul", ["sx", "sw"], ["s"]),
        helper.make_node("Mul", ["f", "s"], ["y"]),
    ]
    return model_of(nodes, _ROWS, (FLOAT, 2), w=w, sw=np.float32(0.02), zw=np.asarray(w.flat[0] * 0, w.dtype))


def conv_integer() -> ir.Model:
    """A convolution with activations that are quantised as they come."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_q", "sx", "zx"]),
        helper.make_node("ConvInteger", ["x_q", "w", "zx", "zw"], ["p"]),
        helper.make_node("Cast", ["p"], ["f"], to=FLOAT),
        helper.make_node("Mul", ["sx", "sw"], ["s"]),
        helper.make_node("Mul", ["f", "s"], ["y"]),
    ]
    weight = integers(64, 64, 3, 3, dtype=np.uint8, centre=120)
    return model_of(nodes, _IMAGES, (FLOAT, 4), w=weight, sw=np.float32(0.02), zw=np.uint8(120))


def matmul_nbits() -> ir.Model:
    """Packed nibbles of onnxruntime's operator."""
    rows = 3 * SIZE
    packed = integers(rows, SIZE // 32, 32, dtype=np.uint8, spread=1.5, centre=8) & 15
    high = integers(rows, SIZE // 32, 32, dtype=np.uint8, spread=1.5, centre=8, seed=1) & 15
    packed = (packed | high << 4)[:, :, :16]
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "sw"], ["y"], domain="com.microsoft", K=SIZE, N=rows, bits=4, block_size=32
    )
    return model_of([node], _ROWS, (FLOAT, 2), w=np.ascontiguousarray(packed), sw=scales(rows * SIZE // 32))


def gather_block_quantized(dtype: Any = ml_dtypes.uint4, opset: int = 21) -> ir.Model:
    """Rows of a table of four bits, by onnxruntime's operator."""
    node = helper.make_node(
        "GatherBlockQuantized",
        ["w", "x", "sw"],
        ["y"],
        domain="com.microsoft",
        gather_axis=0,
        quantize_axis=1,
        block_size=32,
    )
    w = integers(400, SIZE, dtype=dtype, spread=1.5, centre=8 if dtype is ml_dtypes.uint4 else 0)
    return model_of([node], (TensorProto.INT64, ["N"]), (FLOAT, 2), opset, 10, w=w, sw=scales(400, SIZE // 32))


def gather() -> ir.Model:
    """Rows of a table of integers, dequantised after they are taken."""
    nodes = [
        helper.make_node("Gather", ["w", "x"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "sw", "zw"], ["y"]),
    ]
    arrays = {"w": integers(400, 80, dtype=np.uint8, centre=100), "sw": np.float32(0.02), "zw": np.uint8(100)}
    return model_of(nodes, (TensorProto.INT64, ["N"]), (FLOAT, 2), **arrays)


def four_bits(dtype: Any = ml_dtypes.int4, size: int = 3 * SIZE) -> ir.Model:
    """A matrix of four bits behind DequantizeLinear; one with an odd number of elements if the size is odd."""
    w = integers(SIZE + size % 2, size, dtype=dtype, spread=1.2, centre=0 if dtype is ml_dtypes.int4 else 7)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "sw"], ["w_d"], axis=1),
        helper.make_node("MatMul", ["x", "w_d"], ["y"]),
    ]
    return model_of(nodes, (FLOAT, ["N", SIZE + size % 2]), (FLOAT, 2), 21, 10, w=w, sw=scales(size))


def branches() -> ir.Model:
    """Integers in the branches of an If, one of them in a Constant node, and some of the graph around it."""

    def branch(name: str, seed: int, *, constant: bool) -> onnx.GraphProto:
        tensor = ir.to_proto(ir.Tensor(integers(SIZE, SIZE, seed=seed), name="inner"))
        made = [helper.make_node("Constant", [], ["inner"], value=tensor)] if constant else []
        nodes = [
            *made,
            helper.make_node("DequantizeLinear", ["inner", "sw"], ["i_d"]),
            helper.make_node("DequantizeLinear", ["w", "sw"], ["w_d"]),
            helper.make_node("MatMul", ["x", "i_d"], ["m"]),
            helper.make_node("MatMul", ["m", "w_d"], [name]),
        ]
        output = helper.make_tensor_value_info(name, FLOAT, [None, None])
        return helper.make_graph(nodes, name, [], [output], [] if constant else [tensor])

    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "sw"], ["c"]),
        helper.make_node(
            "If",
            ["c"],
            ["y"],
            then_branch=branch("t", 1, constant=True),
            else_branch=branch("e", 2, constant=False),
        ),
    ]
    return model_of(nodes, _ROWS, (FLOAT, 2), w=integers(SIZE, SIZE), sw=np.float32(0.02))


def mixed() -> ir.Model:
    """Integers beside a float matrix of few values, the integers read by two nodes and an output of the graph."""
    floats = integers(SIZE, SIZE, spread=3, seed=4).astype(np.float32) / 8
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["h"]),
        helper.make_node("DequantizeLinear", ["w", "sw"], ["w_d"]),
        helper.make_node("MatMul", ["h", "w_d"], ["a"]),
        helper.make_node("Cast", ["w"], ["c"], to=FLOAT),
        helper.make_node("Add", ["a", "c"], ["y"]),
    ]
    model = model_of(nodes, (FLOAT, [SIZE, SIZE]), (FLOAT, 2), v=floats, w=integers(SIZE, SIZE), sw=np.float32(0.02))
    model.graph.outputs.append(model.graph.initializers["w"])
    return model


MODELS: Mapping[str, Callable[[], ir.Model]] = {
    "QDQ Conv": qdq_conv,
    "QLinearConv": qlinear_conv,
    "QDQ Gemm": qgemm,
    "MatMulInteger": matmul_integer,
    "MatMulInteger, unsigned": lambda: matmul_integer(integers(SIZE, SIZE, dtype=np.uint8, centre=128)),
    "MatMulInteger, sparse": lambda: matmul_integer(integers(SIZE, SIZE, density=0.1)),
    "ConvInteger": conv_integer,
    "MatMulNBits": matmul_nbits,
    "Gather": gather,
    "GatherBlockQuantized": gather_block_quantized,
    "INT4": four_bits,
    "UINT4": lambda: four_bits(ml_dtypes.uint4),
    "INT4, odd": lambda: four_bits(size=3 * SIZE + 1),
    "If": branches,
    "mixed": mixed,
}


def feeds_of(model: ir.Model) -> dict[str, np.ndarray]:
    """One input of each model, of three rows where that is free."""
    rng = np.random.default_rng(7)
    (value,) = model.graph.inputs
    shape = [size if isinstance(size, int) else 3 for size in value.shape]
    if value.dtype is ir.DataType.INT64:
        return {"x": rng.integers(0, 400, shape)}
    return {"x": rng.standard_normal(shape).astype(np.float32)}
