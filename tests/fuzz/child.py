"""Runs verbs on model files that a parent names, under limits: one JSON line in, one out. See ``tests/fuzz/run.py``."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxdc
import onnxdc.hooks
from onnxdc.errors import OnnxdcError

ADDRESS_SPACE, FILE_SIZE = 8 << 30, 256 << 20
LONGEST_MESSAGE = 4000  # a message quotes a few names, each shortened


def _save(result: onnxdc.CompressionResult, folder: Path) -> None:
    str(result.report)
    result.save(folder / "out.onnx")


VERBS: dict[str, Callable[[str, Path], object]] = {
    "inspect": lambda path, _: str(onnxdc.inspect(path, min_elements=8)),
    "share": lambda path, folder: _save(onnxdc.share(path, bits=3, min_elements=8), folder),
    "compress": lambda path, folder: _save(onnxdc.compress(path, density=0.5, bits=3, min_elements=8), folder),
    "encode": lambda path, folder: _save(onnxdc.encode(path, min_elements=8, check=False), folder),
    "decode": lambda path, folder: _save(onnxdc.decode(path), folder),
    "hooks export": lambda path, folder: onnxdc.hooks.export(path, folder / "hook"),
}


def outcome(verb: str, path: str, folder: Path) -> dict[str, str]:
    """What a verb makes of a file: ``ok``, ``refused``, or a finding with a key that tells it from others."""
    try:
        VERBS[verb](path, folder)
    except OnnxdcError as error:
        text = str(error)
        if any(ord(character) < 32 or 126 < ord(character) < 160 for character in text):
            return {"kind": "control", "key": f"{type(error).__name__}: {text[:40]!r}", "detail": repr(text)[:500]}
        if len(text) > LONGEST_MESSAGE:
            return {"kind": "long", "key": f"{type(error).__name__}: {text[:40]}", "detail": text[:500]}
        return {"kind": "refused"}
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/onnxdc/" in frame.filename]
        last = own[-1] if own else frames[-1]
        where = f"{last.filename.rpartition('/onnxdc/')[2]}:{last.name}"
        return {
            "kind": "traceback",
            "key": f"{type(error).__name__} in {where}",
            "detail": f"{last.lineno}: {error}"[:500],
        }
    return {"kind": "ok"}


def serve() -> None:
    """Answer until there are no more lines. A report of the peak memory in MB comes with each answer."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        task: dict[str, Any] = json.loads(line)
        with tempfile.TemporaryDirectory(dir=task["folder"]) as folder:
            answer: dict[str, object] = {**outcome(task["verb"], task["path"], Path(folder))}
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        answer["peak"] = max(peaks) // 1024
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
