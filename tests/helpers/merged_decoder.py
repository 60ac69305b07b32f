"""A model as merged decoders are: weights of its graph that both branches of an If use, in a graph inside one, too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tests.helpers.few_values import weight
from tests.helpers.text_models import build, normal

SIZE = 192  # large enough for streams in packets, and for sparse operators to be faster

_TEXT = f"""
    merged (float[N, {SIZE}] x, bool use_cache) => (float[N, {SIZE}] y) {{
        h = MatMul(x, w)
        y = If (use_cache) <
            then_branch = with_cache () => (float[N, {SIZE}] p) {{
                a = MatMul(h, w)
                b = Relu(a)
                p = MatMul(b, v)
            }},
            else_branch = without_cache () => (float[N, {SIZE}] q) {{
                q = Loop (two, , h) <
                    body = step (int64 i, bool go, float[N, {SIZE}] r) => (bool go_on, float[N, {SIZE}] t) {{
                        go_on = Identity(go)
                        s = MatMul(r, w)
                        t = Add(s, bias)
                    }}
                >
            }}
        >
    }}
"""

USES = 4  # nodes with a weight: of w three, one of them in the main graph, and of v one

_X = normal(5, SIZE, seed=9)
FEEDS = [{"x": _X, "use_cache": np.array(which)} for which in (True, False)]


def merged_decoder() -> ir.Model:
    weights = {"w": weight(SIZE, SIZE), "v": weight(SIZE, SIZE, seed=1)}
    return build(_TEXT, **weights, bias=normal(SIZE), two=np.array(2))
