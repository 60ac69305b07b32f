"""Models in ONNX text with the weights beside it, and onnxruntime to run them as they are written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort


def build(text: str, ir_version: int = 8, opset: int = 17, **arrays: np.ndarray) -> ir.Model:
    """A model of the main graph ``text`` and these initializers."""
    header = f'<ir_version: {ir_version}, opset_import: ["" : {opset}, "local" : 1]>\n'
    proto = onnx.parser.parse_model(header + text)
    proto.graph.initializer.extend(tensor(name, array) for name, array in arrays.items())
    return ir.from_proto(proto)


def tensor(name: str, array: np.ndarray) -> onnx.TensorProto:
    """The array as the model stores it, bfloat16 of ml_dtypes included."""
    return ir.to_proto(ir.Tensor(array, name=name))


def normal(*shape: int, seed: int = 0, dtype: object = np.float32) -> np.ndarray:
    """Normally distributed values, the same for the same seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def run(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of the model in onnxruntime, without any of its optimisations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))
