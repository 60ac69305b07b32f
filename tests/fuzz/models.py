"""The models that the mutator starts from: small ones with every construct that the passes look at, and vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

import onnxdc

VECTORS = Path(__file__).parents[1] / "vectors"

# Weights are drawn by name: a capital letter, and the shape that WEIGHTS gives it.
WEIGHTS = {
    "C": (8, 4, 3, 3), "D": (8, 1, 3, 3), "G": (12, 72), "M": (20, 20), "N": (20, 20), "E": (40, 20), "T": (20, 20),
    "B": (8,), "S": (8,), "V": (12,), "L": (1, 32, 20), "R": (1, 32, 8), "K": (8, 8, 2, 2),
}  # fmt: skip

GRAPHS = {
    "convolutions": """
        <ir_version: 8, opset_import: ["": 17]>
        g (float[n, 4, 5, 5] x) => (float[n, 12] y) {
            a = Conv <pads = [1, 1, 1, 1]> (x, C, B)
            b = BatchNormalization (a, S, B, B, S)
            r = Relu (b)
            d = Conv <auto_pad = "SAME_UPPER", group = 8> (r, D)
            z = Add (d, r)
            p = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [1, 1, 0, 0]> (z)
            f = Flatten (p)
            y = Gemm <transB = 1, alpha = 0.5> (f, G, V)
        }""",
    "matrices": """
        <ir_version: 8, opset_import: ["": 17]>
        g (int64[n] ids, bool c) => (float[n, 20] y) {
            e = Gather (E, ids)
            t = Transpose <perm = [1, 0]> (T)
            h = MatMul (e, t)
            k = Constant <value = float[20, 1] {1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 2, 0}> ()
            m = Mul (M, k)
            i = If (c) <
                then_branch = then () => (float[n, 20] u) { u = MatMul (h, m) },
                else_branch = other () => (float[n, 20] v) { v = Identity (h) }
            >
            w = Concat <axis = 0> (N)
            y = MatMul (i, w)
        }""",
    "functions": """
        <ir_version: 8, opset_import: ["": 17, "f": 1]>
        g (float[n, 20] x) => (float[n, 20] y) {
            a = f.outer (x, M)
            y = f.inner (a, N)
        }
        <domain: "f", opset_import: ["": 17, "f": 1]>
        outer (x, w) => (y) { t = f.inner (x, w)  y = Relu (t) }
        <domain: "f", opset_import: ["": 17]>
        inner (x, w) => (y) { y = MatMul (x, w) }""",
    "others": """
        <ir_version: 7, opset_import: ["": 12]>
        g (float[3, 1, 20] x, float[1, 8, 4, 4] z) => (float[3, 1, 1, 8] y, float[1, 8, 5, 5] u) {
            y, s, c = LSTM <hidden_size = 8> (x, L, R)
            u = ConvTranspose (z, K)
        }""",
    "old": """
        <ir_version: 4, opset_import: ["": 9]>
        g (float[n, 20] x) => (float[n, 20] y) {
            a = MatMul (x, M)
            d = Dropout (a)
            y = Clip <min = 0.0, max = 6.0> (d)
        }""",
}


def dense_models() -> Iterator[onnx.ModelProto]:
    """The graphs above with weights of few values."""
    for text in GRAPHS.values():
        model = parser.parse_model(text)
        rng = np.random.default_rng(0)
        used = {name for node in model.graph.node for name in node.input} | {
            name
            for node in model.graph.node
            for attribute in node.attribute
            for inner in attribute.g.node
            for name in inner.input
        }
        for name in sorted(used & WEIGHTS.keys()):
            array = (rng.integers(-3, 4, WEIGHTS[name]) / 4).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(np.abs(array) + 1 if name == "S" else array, name))
        yield model


def compressed_models() -> Iterator[onnx.ModelProto]:
    """The same, compressed for sparse operators and for dense ones, and vectors."""
    for model in dense_models():
        for execution in ("sparse", "dense"):
            result = onnxdc.encode(model, force=True, check=False, execution=execution, min_elements=8)
            yield result.to_proto()
    for path in sorted(VECTORS.glob("*/*.onnx"))[::8]:
        yield onnx.load(path)
