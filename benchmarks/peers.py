"""Other runtimes and number formats for a dense model, each at the best setting that the benchmark knows."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import onnx
from data import Feed
from measure import Runner, load
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

Converter: TypeAlias = Callable[[Path, Path, Feed], None]
"""Writes another model: from the dense one, to a path, with a feed to calibrate with."""

_BLOCK: Final = 32  # weights that share a scale in 4 bits
_INT8_PRODUCTS: Final = 4  # accuracy level of MatMulNBits: activations in 8 bits


def dynamic_int8(dense: Path, path: Path, feed: Feed) -> None:
    """Weights of Gemm and MatMul in 8 bits, activations quantized as they come; convolutions stay float32."""
    quantize_dynamic(
        dense, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
    )


def static_int8(dense: Path, path: Path, feed: Feed) -> None:
    """All operators in 8 bits (QDQ), activations by the range that they have with the feed."""
    quantize_static(
        dense,
        path,
        _OneFeed(feed),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def four_bits(dense: Path, path: Path, feed: Feed) -> None:
    """Weights of Gemm and MatMul in 4 bits (MatMulNBits); convolutions stay float32."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(dense)
    _matmuls_for_gemms(model.graph)
    quantizer = MatMulNBitsQuantizer(model, block_size=_BLOCK, is_symmetric=True, accuracy_level=_INT8_PRODUCTS)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))


OPENVINO: Final = "openvino"
CONVERTERS: Final[dict[str, Converter]] = {
    "dynamic_int8": dynamic_int8,
    "static_int8": static_int8,
    "four_bits": four_bits,
}
NAMES: Final = (*CONVERTERS, OPENVINO)


def installed() -> list[str]:
    """The peers that can run here."""
    return [name for name in NAMES if name != OPENVINO or importlib.util.find_spec(OPENVINO)]


def convert(dense: Path, feed: Feed) -> None:
    """Make the models of all peers that need one, where they are older than the dense one or missing.

    Not in a process that has a pool of threads for all sessions: the converters create sessions of their own.
    """
    logging.getLogger().setLevel(logging.ERROR)  # they recommend a preprocessing that makes no difference here
    for name, converter in CONVERTERS.items():
        path = _path(dense, name)
        if not path.is_file() or path.stat().st_mtime < dense.stat().st_mtime:
            converter(dense, path, feed)


def open_peer(name: str, dense: Path, threads: int) -> Runner:
    """What runs a dense model as a peer does; onnxruntime's take the pool that all sessions share."""
    if name == OPENVINO:
        return _OpenVino(dense, threads)
    session: Runner = load(_path(dense, name), "dense", None)
    return session


class _OneFeed(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feed: Feed) -> None:
        self._feeds: Iterator[Feed] = iter([feed])

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


class _OpenVino:
    """In float32; by default it would round to bfloat16."""

    def __init__(self, path: Path, threads: int) -> None:
        from openvino import Core

        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        self._request = Core().compile_model(str(path), "CPU", options).create_infer_request()

    def run(self, output_names: None, feed: Feed, /) -> Any:
        return list(self._request.infer(feed, share_inputs=True).values())


def _path(dense: Path, name: str) -> Path:
    return dense.with_suffix(f".{name}.onnx")


def _matmuls_for_gemms(graph: onnx.GraphProto) -> None:
    """Write every Gemm, whose weight is transposed, as MatMul and Add: MatMulNBits stands for MatMul only."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gemm":
            nodes.append(node)
            continue
        x, weight, bias = node.input
        transposed = numpy_helper.to_array(weights[weight]).T.copy()
        weights[weight].CopyFrom(numpy_helper.from_array(transposed, weight))
        product = f"{node.output[0]}_product"
        nodes.append(helper.make_node("MatMul", [x, weight], [product]))
        nodes.append(helper.make_node("Add", [product, bias], list(node.output)))
    copies = onnx.GraphProto(node=nodes).node
    del graph.node[:]
    graph.node.extend(copies)
