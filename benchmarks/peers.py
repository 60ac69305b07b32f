"""Other runtimes and number formats for a dense model, each at the best settings that the benchmark knows.

ort_dynamic   onnxruntime, weights of Gemm and MatMul in 8 bits, activations quantized as they come
ort_static    onnxruntime, everything in 8 bits (QDQ), with the activations' ranges known
ort_4bit      onnxruntime, weights of Gemm and MatMul in 4 bits (MatMulNBits)
ov_f32        OpenVINO, restricted to float32
ov            OpenVINO at its default precision: bfloat16 where the processor has it
ov_int8       OpenVINO, everything in 8 bits by NNCF, with the activations' ranges known
ov_4bit       OpenVINO, weights in 4 bits by NNCF
ds            DeepSparse 1.8, which skips zeros, in float32
ds_int8       DeepSparse 1.8, weights of Gemm and MatMul in 8 bits, with the activations' ranges known

OpenVINO and NNCF come with the package's extra "peers"; DeepSparse gets an environment of its own, which is made in the
folder of the benchmark's models.
"""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import formats
from data import Feed
from measure import Outputs, Runner, load, relative_difference, timer
from remote import Remote, RemoteError, python_of

Open: TypeAlias = Callable[[Path, Feed, int], Runner]
"""Opens a model, given the only feed that it will run on and the number of threads."""

_DEEPSPARSE: Final = ("deepsparse==1.8.0", "numpy==1.26.4", "onnx==1.14.1")
_DEEPSPARSE_PYTHON: Final = 11  # the newest one
_WORKER: Final = Path(__file__).with_name("deepsparse_worker.py")
_WRONG: Final = 1.0  # a relative difference that no rounding explains: 4 bits leave 0.38 on BERT, the worst of all


class PeerError(Exception):
    """A peer cannot run a model.

    Attributes:
        name: of the peer.
        reason: why, in one line.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


def one_line(error: Exception) -> str:
    """What went wrong."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


@dataclass(frozen=True)
class Peer:
    """What runs dense models in its own way.

    Attributes:
        open: opens a model.
        file: how the name of its model ends, where it has one of its own.
        convert: makes that.
    """

    open: Open
    file: str | None = None
    convert: formats.Converter | None = None

    def path(self, dense: Path) -> Path:
        """Its model."""
        return dense.with_suffix(f".{self.file}") if self.file else dense


class _OpenVino:
    def __init__(self, path: Path, feed: Feed, threads: int, precision: str | None = None) -> None:
        from openvino import Core

        options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision:
            options["INFERENCE_PRECISION_HINT"] = precision
        self._request = Core().compile_model(str(path), "CPU", options).create_infer_request()

    def run(self, output_names: None, feed: Feed, /) -> Any:
        return list(self._request.infer(feed, share_inputs=True).values())


def _onnxruntime(path: Path, feed: Feed, threads: int) -> Runner:
    """In the pool that all sessions share."""
    session: Runner = load(path, "dense", None)
    return session


def _deepsparse(path: Path, feed: Feed, threads: int) -> Runner:
    return Remote(_deepsparse_python(path.parent), _WORKER, path, feed, threads)


def _deepsparse_python(folder: Path) -> Path:
    return python_of(folder / "deepsparse", _DEEPSPARSE, _DEEPSPARSE_PYTHON)


PEERS: Final = {
    "ort_dynamic": Peer(_onnxruntime, "dynamic_int8.onnx", formats.dynamic_int8),
    "ort_static": Peer(_onnxruntime, "static_int8.onnx", formats.static_int8),
    "ort_4bit": Peer(_onnxruntime, "four_bits.onnx", formats.four_bits),
    "ov_f32": Peer(partial(_OpenVino, precision="f32")),
    "ov": Peer(_OpenVino),
    "ov_int8": Peer(_OpenVino, "openvino_int8.xml", formats.openvino_int8),
    "ov_4bit": Peer(_OpenVino, "openvino_four_bits.xml", formats.openvino_four_bits),
    "ds": Peer(_deepsparse),
    "ds_int8": Peer(_deepsparse, "integer_products.onnx", formats.integer_products),
}


def not_installed(folder: Path) -> dict[str, str]:
    """The peers that cannot run here, each with the reason; DeepSparse's environment is made first.

    Args:
        folder: of the models.
    """
    reasons = {}
    if not all(importlib.util.find_spec(name) for name in ("openvino", "nncf")):
        reasons["ov"] = "pip install --editable '.[peers]'"
    try:
        _deepsparse_python(folder)
    except RemoteError as error:
        reasons["ds"] = str(error)
    return {name: reasons[name.split("_")[0]] for name in PEERS if name.split("_")[0] in reasons}


def is_converted(name: str, dense: Path) -> bool:
    """Whether the model that a peer runs is there, and no older than the dense one."""
    path = PEERS[name].path(dense)
    return path.is_file() and path.stat().st_mtime >= dense.stat().st_mtime


def convert(name: str, dense: Path, feed: Feed) -> None:
    """Make the model that a peer runs, without a word.

    Not in a process that has a pool of threads for all sessions: the converters create sessions of their own.
    """
    peer = PEERS[name]
    assert peer.convert is not None
    logging.disable(logging.WARNING)  # a preprocessing is recommended that makes no difference here
    with redirect_stdout(io.StringIO()):
        peer.convert(dense, peer.path(dense), feed)


class OpenPeer:
    """A peer with a model. Whatever goes wrong, here or in its methods, is a ``PeerError``.

    Args:
        name: of the peer.
        dense: the model that its own one was made from.
        feed: of every run.
        threads: how many it gets.
        clock: in seconds.
    """

    def __init__(self, name: str, dense: Path, feed: Feed, threads: int, clock: Callable[[], float]) -> None:
        self.name, self._feed = name, feed
        with self._blame():
            self._runner = PEERS[name].open(PEERS[name].path(dense), feed, threads)
        remote = isinstance(self._runner, Remote)
        self._timer = self._runner.seconds if remote else timer(self._runner, feed, clock)

    def difference(self, reference: Outputs) -> float:
        """``relative_difference`` of its outputs, if they have something to do with the reference."""
        with self._blame():
            difference = relative_difference(list(self._runner.run(None, self._feed)), reference)
        if not difference <= _WRONG:
            raise PeerError(self.name, f"wrong outputs: they differ by {difference:.2g} of the largest element")
        return difference

    def seconds(self, runs: int) -> float:
        """Of a run, of so many."""
        with self._blame():
            return self._timer(runs)

    def close(self) -> None:
        """End the process of a peer that has one."""
        if isinstance(self._runner, Remote):
            self._runner.close()

    @contextmanager
    def _blame(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise PeerError(self.name, one_line(error)) from error
