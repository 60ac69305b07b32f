"""Small networks with data."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.recipe import Recipe
from tests.helpers.text_models import build, normal


def perceptron(dtype: type = np.float32) -> tuple[ir.Model, np.ndarray]:
    """A classifier with two layers, and 300 items whose features depend on each other."""
    kind = {np.float16: "float16", np.float32: "float"}[dtype]
    model = build(
        f"""g ({kind}[N, 24] x) => ({kind}[N, 5] y) {{
            a = Gemm <transB = 1> (x, fc1, b1)
            h = Relu (a)
            c = MatMul (h, fc2)
            s = Add (c, b2)
            y = Softmax (s)
        }}""",
        fc1=normal(40, 24, seed=1, dtype=dtype),
        b1=normal(40, seed=2, dtype=dtype),
        fc2=(normal(40, 5, seed=3) / 4).astype(dtype),
        b2=normal(5, seed=4, dtype=dtype),
    )
    mixing = normal(24, 24, seed=5) * np.geomspace(0.02, 1, 24, dtype=np.float32)
    x = (normal(300, 24, seed=6) @ mixing / 3 + normal(24, seed=7)).astype(dtype)
    return model, x


def planned(model: ir.Model, **options: object) -> Plan:
    return plan_weights(model, Recipe(min_elements=40).with_options(**options))
