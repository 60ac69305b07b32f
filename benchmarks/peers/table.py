"""The peers by name, whether they can run here, and the models that they run."""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from common.sessions import Feed, Runner, load
from peers import formats
from peers.remote import Remote, RemoteError, python_of

Open: TypeAlias = Callable[[Path, Feed, int], Runner]
"""Opens a model, given the only feed that it will run on and the number of threads."""

_DEEPSPARSE: Final = ("deepsparse==1.8.0", "numpy==1.26.4", "onnx==1.14.1")
_DEEPSPARSE_PYTHON: Final = 11  # the newest one
_WORKER: Final = Path(__file__).with_name("deepsparse_worker.py")


@dataclass(frozen=True)
class Peer:
    """What runs dense models in its own way.

    Attributes:
        open: What opens a model.
        file: How the name of its model ends, where it has one of its own.
        convert: What makes that.
    """

    open: Open
    file: str | None = None
    convert: formats.Converter | None = None

    def path(self, dense: Path) -> Path:
        """Return the path of its model."""
        return dense.with_suffix(f".{self.file}") if self.file else dense


class _OpenVino:
    def __init__(self, path: Path, feed: Feed, threads: int, precision: str | None = None) -> None:
        from openvino import Core

        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision:
            options["INFERENCE_PRECISION_HINT"] = precision
        self._request = Core().compile_model(str(path), "CPU", options).create_infer_request()

    def run(self, output_names: None, feed: Feed, /) -> Any:
        return list(self._request.infer(feed, share_inputs=True).values())


def _onnxruntime(path: Path, feed: Feed, threads: int) -> Runner:
    """Open a model in the pool that all sessions share."""
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


def not_installed(names: Sequence[str], folder: Path) -> dict[str, str]:
    """Return those of some peers that cannot run here, each with the reason; DeepSparse's environment is made first.

    Args:
        names: The peers.
        folder: Where the models are kept.
    """
    families = {name: name.split("_")[0] for name in names}
    reasons = {}
    if "ov" in families.values() and not all(importlib.util.find_spec(name) for name in ("openvino", "nncf")):
        reasons["ov"] = "pip install --editable '.[peers]'"
    if "ds" in families.values():
        try:
            _deepsparse_python(folder)
        except RemoteError as error:
            reasons["ds"] = str(error)
    return {name: reasons[family] for name, family in families.items() if family in reasons}


def is_converted(name: str, dense: Path) -> bool:
    """Tell whether the model that a peer runs is there, and no older than the dense one."""
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
