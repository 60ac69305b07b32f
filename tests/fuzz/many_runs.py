"""Whether memory stays flat: ``python -m tests.fuzz.many_runs [runs]`` prints what the process takes as it runs.

A small model with one operator of each kind runs natively in one session; at the end sessions are opened and closed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import numpy_helper, parser

import onnxdc

GRAPH = """
<ir_version: 8, opset_import: ["": 17]>
g (float[n, 4, 6, 6] x, int64[n] i) => (float[n, 12] y) {
    c = Conv <pads = [1, 1, 1, 1]> (x, C)
    r = Relu (c)
    f = Flatten (r)
    p = Gemm <transB = 1> (f, G, V)
    e = Gather (E, i)
    m = MatMul (e, M)
    y = Add (p, m)
}"""
SHAPES = {"C": (8, 4, 3, 3), "G": (12, 288), "V": (12,), "E": (30, 16), "M": (16, 12)}
PARTS = 10
SESSIONS = 1000


def model() -> bytes:
    """The graph, compressed."""
    proto = parser.parse_model(GRAPH)
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        array = rng.integers(-2, 3, shape).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    result = onnxdc.encode(proto, execution="sparse", min_elements=8, force=True)
    return bytes(result.to_proto().SerializeToString())


def resident() -> int:
    """KB of memory that the process takes now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def main(runs: int) -> None:
    """Run, and print the memory ten times; then the same for sessions."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.register_custom_ops_library(onnxdc.library_path())
    data, rng = model(), np.random.default_rng(1)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feeds = [
        {"x": rng.standard_normal((n, 4, 6, 6)).astype(np.float32), "i": rng.integers(0, 30, n)} for n in (1, 2, 3, 20)
    ]
    for part in range(PARTS):
        for i in range(runs // PARTS):
            session.run(None, feeds[i % len(feeds)])
        print(f"{(part + 1) * (runs // PARTS):>9} runs: {resident()} KB", flush=True)
    for part in range(PARTS):
        for _ in range(SESSIONS // PARTS):
            onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, feeds[0])
        print(f"{(part + 1) * (SESSIONS // PARTS):>9} sessions: {resident()} KB", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
