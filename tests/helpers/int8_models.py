"""Small models with layers of each kind that can run on integers, and what onnxruntime makes of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from tests.helpers.text_models import build, normal


def images(count: int, seed: int = 0) -> np.ndarray:
    """Images with some structure, ``[count, 3, 10, 10]``."""
    noise = normal(count, 3, 12, 12, seed=seed)
    return (noise[:, :, :10, :10] + noise[:, :, 2:, 2:] + noise[:, :, 1:-1, 1:-1]).astype(np.float32)


def residual_network(opset: int = 17, channels: int = 12) -> ir.Model:
    """A small residual network that pads by itself: five layers, with a final Softmax."""
    c, d = channels, 2 * channels
    pads = "pads = [1, 1, 1, 1]"
    return build(
        f"""residual (float[N, 3, 10, 10] x) => (float[N, 7] y) {{
            c1 = Conv <{pads}> (x, w1, b1)
            r1 = Relu (c1)
            c2 = Conv <{pads}> (r1, w2, b2)
            r2 = Relu (c2)
            c3 = Conv <{pads}> (r2, w3, b3)
            s3 = Add (c3, r1)
            r3 = Relu (s3)
            p3 = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r3)
            q3 = Pad (p3, widths, zero)
            c4 = Conv (q3, w4, b4)
            r4 = Relu (c4)
            g = GlobalAveragePool (r4)
            f = Flatten (g)
            s = Gemm <transB = 1> (f, fc, bias)
            y = Softmax (s)
        }}""",
        opset=opset,
        w1=normal(c, 3, 3, 3, seed=1) / 4,
        b1=normal(c, seed=2) / 4,
        w2=normal(c, c, 3, 3, seed=3) / 8,
        b2=normal(c, seed=4) / 4,
        w3=normal(c, c, 3, 3, seed=5) / 8,
        b3=normal(c, seed=6) / 4,
        w4=normal(d, c, 3, 3, seed=7) / 8,
        b4=normal(d, seed=8) / 4,
        fc=normal(7, d, seed=9),
        bias=normal(7, seed=10) / 8,
        widths=np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        zero=np.array(0, np.float32),
    )


def encoder(opset: int = 17, outlier: float = 0.0, words: int = 50) -> ir.Model:
    """Embeddings, two products of three dimensions that read the same, and one that follows: no convolution."""
    first = normal(96, 80, seed=1) / 10
    first[3, 5] += outlier
    return build(
        """encoder (int64[N, T] ids) => (float[N, T, 60] y) {
            g = Gather (table, ids)
            e = Erf (g)
            a = MatMul (e, w1)
            b = Add (a, b1)
            c = MatMul (e, w2)
            d = Add (c, b2)
            h = Mul (b, d)
            t = Tanh (h)
            z = MatMul (t, w3)
            y = Add (b3, z)
        }""",
        opset=opset,
        table=normal(words, 96, seed=4),
        w1=first,
        b1=normal(80, seed=5),
        w2=normal(96, 80, seed=2) / 10,
        b2=normal(80, seed=6),
        w3=normal(80, 60, seed=3) / 9,
        b3=normal(60, seed=7),
    )


def sentences(count: int, seed: int = 0) -> np.ndarray:
    """Tokens for ``encoder``, int64 ``[count, 6]``."""
    return np.random.default_rng(seed).integers(0, 50, (count, 6))


def optimised_operators(model: ir.Model | Path, folder: Path) -> Counter[str]:
    """The operators of the graph that onnxruntime runs."""
    path = folder / "optimised.onnx"
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3  # it warns of files that are for one kind of processor
    source = str(model) if isinstance(model, Path) else ir.to_proto(model).SerializeToString()
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)
