"""Other runtimes and number formats for the dense model, each at its best setting that the benchmark knows."""

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

Peer: TypeAlias = Callable[[Path, Feed, int], Runner]
"""Makes what runs a dense model: from its file, a feed to calibrate with, and the number of threads."""

_BLOCK: Final = 32  # weights that share a scale in 4 bits
_INT8_PRODUCTS: Final = 4  # accuracy level of MatMulNBits: activations in 8 bits


def missing() -> list[str]:
    """A line for each peer that is not installed."""
    return [
        f"{name} is not installed: pip install {package}"
        for name, (package, module) in _PACKAGES.items()
        if importlib.util.find_spec(module) is None
    ]


def installed() -> list[str]:
    """The names of the peers that can run."""
    return [name for name in PEERS if name not in _PACKAGES or importlib.util.find_spec(_PACKAGES[name][1])]


def dynamic_int8(dense: Path, feed: Feed, threads: int) -> Runner:
    """Weights of Gemm and MatMul in 8 bits a channel, activations quantized as they come; convolutions stay float32."""

    def make(path: Path) -> None:
        quantize_dynamic(
            dense, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )

    return _session(dense, "dynamic_int8", make)


def static_int8(dense: Path, feed: Feed, threads: int) -> Runner:
    """All operators in 8 bits (QDQ), weights by channel, activations by the range that the feed has."""

    def make(path: Path) -> None:
        quantize_static(
            dense,
            path,
            _OneFeed(feed),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )

    return _session(dense, "static_int8", make)


def four_bits(dense: Path, feed: Feed, threads: int) -> Runner:
    """Weights of Gemm and MatMul in 4 bits (MatMulNBits); convolutions stay float32."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    def make(path: Path) -> None:
        model = onnx.load(dense)
        _matmuls_for_gemms(model.graph)
        quantizer = MatMulNBitsQuantizer(model, block_size=_BLOCK, is_symmetric=True, accuracy_level=_INT8_PRODUCTS)
        quantizer.process()
        quantizer.model.save_model_to_file(str(path), False)

    return _session(dense, "four_bits", make)


def openvino(dense: Path, feed: Feed, threads: int) -> Runner:
    """OpenVINO in float32."""
    return _OpenVino(dense, threads)


PEERS: Final[dict[str, Peer]] = {
    "dynamic_int8": dynamic_int8,
    "static_int8": static_int8,
    "four_bits": four_bits,
    "openvino": openvino,
}
_PACKAGES: Final = {"openvino": ("openvino", "openvino")}  # peer -> package and module, where onnxruntime is not enough


class _OneFeed(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feed: Feed) -> None:
        self._feeds: Iterator[Feed] = iter([feed])

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


class _OpenVino:
    def __init__(self, path: Path, threads: int) -> None:
        from openvino import Core

        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        self._request = Core().compile_model(str(path), "CPU", options).create_infer_request()

    def run(self, output_names: None, feed: Feed, /) -> Any:
        return list(self._request.infer(feed, share_inputs=True).values())


def _session(dense: Path, name: str, make: Callable[[Path], None]) -> Runner:
    """Of onnxruntime, for a model that lies beside the dense one, made anew if it is older."""
    path = dense.with_suffix(f".{name}.onnx")
    if not path.is_file() or path.stat().st_mtime < dense.stat().st_mtime:
        logging.getLogger().setLevel(logging.ERROR)  # onnxruntime recommends preprocessing for each model
        make(path)
    session: Runner = load(path, "dense", None)
    return session


def _matmuls_for_gemms(graph: onnx.GraphProto) -> None:
    """Write every Gemm with a transposed weight as MatMul and Add, which is all that MatMulNBits knows."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gemm":
            nodes.append(node)
            continue
        x, weight, bias = node.input
        dense = numpy_helper.to_array(weights[weight])
        weights[weight].CopyFrom(numpy_helper.from_array(dense.T.copy(), weight))
        product = f"{node.output[0]}_product"
        nodes += [
            helper.make_node("MatMul", [x, weight], [product]),
            helper.make_node("Add", [product, bias], list(node.output)),
        ]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
