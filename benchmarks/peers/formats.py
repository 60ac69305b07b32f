"""Other number formats for a dense model, as the tools of onnxruntime and of OpenVINO make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from common.sessions import Feed

Converter: TypeAlias = Callable[[Path, Path, Feed], None]
"""Writes another model: from the dense one, to a path, with a feed to calibrate with."""

_BLOCK: Final = 32  # weights that share a scale in 4 bits, in onnxruntime
_GROUP: Final = 128  # in OpenVINO
_INT8_PRODUCTS: Final = 4  # accuracy level of MatMulNBits: activations in 8 bits


def dynamic_int8(dense: Path, path: Path, feed: Feed) -> None:
    """Put weights of Gemm and MatMul in 8 bits, and quantize activations as they come; convolutions stay float32."""
    quantize_dynamic(
        dense, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
    )


def static_int8(dense: Path, path: Path, feed: Feed) -> None:
    """Put all operators in 8 bits (QDQ), activations by the range that they have with the feed."""
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
    """Put weights of Gemm and MatMul in 4 bits (MatMulNBits); convolutions stay float32."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(dense)
    _matmuls_for_gemms(model.graph)
    quantizer = MatMulNBitsQuantizer(model, block_size=_BLOCK, is_symmetric=True, accuracy_level=_INT8_PRODUCTS)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))


def integer_products(dense: Path, path: Path, feed: Feed) -> None:
    """Do as ``dynamic_int8``, with the scales that activations have with the feed: DeepSparse takes constants."""
    dynamic_int8(dense, path, feed)
    model = onnx.load(path)
    quantizers = [node for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"]
    scales = [name for node in quantizers for name in node.output[1:]]
    for name, array in _intermediates(model, scales, feed).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for node in quantizers:
        output, scale, zero_point = node.output
        node.CopyFrom(helper.make_node("QuantizeLinear", [node.input[0], scale, zero_point], [output], name=node.name))
    onnx.save(model, path)


def openvino_int8(dense: Path, path: Path, feed: Feed) -> None:
    """Put all operators in 8 bits, by NNCF, activations by the range that they have with the feed."""
    import nncf

    _save_openvino(nncf.quantize(_read_openvino(dense), nncf.Dataset([feed]), subset_size=1), path)


def openvino_four_bits(dense: Path, path: Path, feed: Feed) -> None:
    """Put weights in 4 bits, by NNCF, in groups; one for each output where the inputs are no multiple of these."""
    import nncf

    fallback = nncf.AdvancedCompressionParameters(group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST)
    model = nncf.compress_weights(
        _read_openvino(dense),
        mode=nncf.CompressWeightsMode.INT4_SYM,
        group_size=_GROUP,
        all_layers=True,
        advanced_parameters=fallback,
    )
    _save_openvino(model, path)


def _intermediates(model: onnx.ModelProto, names: Sequence[str], feed: Feed) -> dict[str, np.ndarray]:
    """Return values of a graph, by their names."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, feed)
    return dict(zip(names, map(np.asarray, outputs[len(outputs) - len(names) :]), strict=True))


def _read_openvino(path: Path) -> Any:
    from openvino import Core

    return Core().read_model(str(path))


def _save_openvino(model: Any, path: Path) -> None:
    from openvino import save_model

    save_model(model, str(path), compress_to_fp16=False)


class _OneFeed(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feed: Feed) -> None:
        self._feeds: Iterator[Feed] = iter([feed])

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


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
