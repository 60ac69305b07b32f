"""Quantised models with a scale and a zero point for each channel."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from tests.helpers.integer_models import FLOAT, UINT8, integers, model_of, scales

SIZE = 96


def channels(largest: tuple[int, ...], opset: int = 17, x_scale: float = 0.05) -> ir.Model:
    """Convolutions with a scale for each channel, as onnxruntime's quantiser writes them; of each the largest bias.

    With another scale of x than 0.05 the scales of biases are not those of products.
    """
    nodes, arrays = [], {"sx": np.float32(x_scale), "zx": np.uint8(128)}
    node = onnx.helper.make_node
    nodes += [node("QuantizeLinear", ["x", "sx", "zx"], ["q0"])]
    for index, most in enumerate(largest):
        rng = np.random.default_rng(index)
        bias = rng.integers(-most, most, SIZE, endpoint=True, dtype=np.int32)
        bias[0] = -most
        own = {"w": integers(SIZE, SIZE, 1, 1, seed=index), "s": scales(SIZE, seed=index)}
        own |= {"z": np.zeros(SIZE, np.int8), "b": bias, "t": own["s"] * np.float32(0.05), "u": np.zeros_like(bias)}
        arrays |= {f"{name}{index}": array for name, array in own.items()}
        nodes += [
            node("DequantizeLinear", [f"q{index}", "sx", "zx"], [f"x{index}"]),
            node("DequantizeLinear", [f"w{index}", f"s{index}", f"z{index}"], [f"v{index}"], axis=0),
            node("DequantizeLinear", [f"b{index}", f"t{index}", f"u{index}"], [f"c{index}"], axis=0),
            node("Conv", [f"x{index}", f"v{index}", f"c{index}"], [f"y{index}"]),
            node("QuantizeLinear", [f"y{index}", "sx", "zx"], [f"q{index + 1}"]),
        ]
    nodes += [node("Identity", [f"q{len(largest)}"], ["y"])]
    return model_of(nodes, (FLOAT, [2, SIZE, 5, 5]), (UINT8, 4), opset, **arrays)
