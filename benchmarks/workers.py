"""What compressing a large model takes, here and on workers of dask: time, memory and bytes that are moved.

Usage: python benchmarks/workers.py [--layers N] [--side M] [--workers K ...]

The model is a chain of N MatMul with weights of M x M float32, in external data: 2.1 GB without options. `compress`
runs in a new process each time, without its check, first without workers and then on K processes on this machine, whose
scheduler is in the process of the client. What is moved is half of what goes through the loopback device: each byte
goes through it twice, to and from the scheduler.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir

import onnxdc
from common.process import in_new_process
from common.program import BUILD, make_parser, need, run

_DEVICES: Final = Path("/proc/net/dev")


@dataclass(frozen=True)
class Cost:
    """What one run has taken.

    Attributes:
        seconds: The time that it took.
        cpu: The CPU time of the client and of all workers, in seconds.
        client: The most memory of the client, in bytes.
        worker: The most memory of any worker, in bytes.
        moved: The bytes that were moved.
        digest: The SHA-256 of the model that came out.
    """

    seconds: float
    cpu: tuple[float, float]
    client: int
    worker: int
    moved: int
    digest: str


def main() -> int:
    """Measure, and print a line for each number of workers."""
    parser = make_parser(__doc__)
    parser.add_argument("--layers", type=int, default=8, metavar="N")
    parser.add_argument("--side", type=int, default=8192, metavar="M")
    parser.add_argument("--workers", type=int, nargs="*", default=[2], metavar="K")
    arguments = parser.parse_args()
    need("distributed", "dask.distributed: pip install 'onnxdc[distributed]'")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    path = _model(arguments.layers, arguments.side)
    print("workers       s client CPU s worker CPU s  client MB  worker MB  moved MB  equal")
    first = None
    for workers in [0, *arguments.workers]:
        cost = in_new_process(_measure, path, workers)
        first = first or cost
        figures = f"{cost.client / 1e6:10,.0f} {cost.worker / 1e6:10,.0f} {cost.moved / 1e6:9,.0f}"
        cpu = " ".join(f"{seconds:12.1f}" for seconds in cost.cpu)
        equal = "yes" if cost.digest == first.digest else "no"
        print(f"{workers:7} {cost.seconds:7.1f} {cpu} {figures}  {equal}", flush=True)
    return 0


def _model(layers: int, side: int) -> Path:
    """Return the model; it is kept from one run to the next."""
    folder = BUILD / "workers" / f"{layers}x{side}"
    path = folder / "model.onnx"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    nbytes, tensors = 4 * side * side, []
    with (folder / "model.data").open("wb") as file:
        for layer in range(layers):
            weight = np.random.default_rng(layer).standard_normal((side, side), np.float32) / np.float32(side**0.5)
            weight.tofile(file)
            tensor = onnx.TensorProto(
                name=f"w{layer}", data_type=onnx.TensorProto.FLOAT, data_location=onnx.TensorProto.EXTERNAL
            )
            tensor.dims.extend([side, side])
            for key, value in (("location", "model.data"), ("offset", layer * nbytes), ("length", nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            tensors.append(tensor)
    nodes = [onnx.helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"]) for n in range(layers)]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", side]) for name in ("x0", f"x{layers}")
    ]
    graph = onnx.helper.make_graph(nodes, "chain", ends[:1], ends[1:], tensors)
    path.write_bytes(onnx.helper.make_model(graph, ir_version=8).SerializeToString())
    return path


def _measure(path: Path, workers: int) -> Cost:
    """Compress the model; run in a process of its own."""
    with _client(workers) as client:
        moved, start, cpu = _moved(), time.perf_counter(), time.process_time()
        result = onnxdc.compress(path, check=False, workers=client)
        seconds = time.perf_counter() - start
        moved = _moved() - moved
        used = (time.process_time() - cpu, sum(client.run(time.process_time).values()) if client is not None else 0.0)
        worker = max(client.run(_peak).values()) if client is not None else 0
        here = _peak()
    digest = hashlib.sha256(ir.to_proto(result.model).SerializeToString(deterministic=True)).hexdigest()
    return Cost(seconds, used, here, worker, moved // 2, digest)


@contextmanager
def _client(workers: int) -> Iterator[Any]:
    """Give a client of so many processes; None for none."""
    if not workers:
        yield None
        return
    import distributed

    options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "ERROR"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _moved() -> int:
    """Return the bytes that have come through the loopback device."""
    (line,) = [line for line in _DEVICES.read_text(encoding="ascii").splitlines() if line.strip().startswith("lo:")]
    return int(line.split()[1])


if __name__ == "__main__":
    sys.exit(run(main))
