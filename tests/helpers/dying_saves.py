"""Save a model over another one again and again, and die at another line each time: of a kill, an interrupt, an error.

Run as a program, in a folder of its own: ``python -m tests.helpers.dying_saves FOLDER kill|interrupt|fail``. It prints
how many lines there were, and ends with an error where a model does not have its own data or something is left behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io import atomic, files, load, save, write

TRACED = {module.__file__ for module in (atomic, files, write)}
OLD, NEW = 1.0, 2.0


def model(value: float) -> ir.Model:
    """Two weights that hold nothing but a value, and need a data file."""
    weights = [onnx.numpy_helper.from_array(np.full((32, 32), value, np.float32), name) for name in ("v", "w")]
    types = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 32]) for name in ("x", "y")]
    nodes = [onnx.helper.make_node("MatMul", names[:2], names[2:]) for names in (("x", "v", "h"), ("h", "w", "y"))]
    graph = onnx.helper.make_graph(nodes, "two", types[:1], types[1:], weights)
    return load(onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]))


def save_until(last: int, how: str, value: float, path: Path) -> int:
    """Save, die at one line, and return how many lines there were before."""
    lines = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            lines += 1
            if lines == last:
                sys.settrace(None)
                die(how)
        return trace

    changed = model(value)
    sys.settrace(trace)
    try:
        save(changed, path)
    finally:
        sys.settrace(None)
    return lines


def die(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def dying(last: int, how: str, path: Path) -> None:
    """Save the new model until some line; a kill needs a process of its own."""
    if how != "kill":
        with contextlib.suppress(KeyboardInterrupt, OSError, ModelError):
            save_until(last, how, NEW, path)
    elif child := os.fork():
        os.waitpid(child, 0)
    else:
        save_until(last, how, NEW, path)
        os._exit(0)


def check(path: Path, last: int, how: str) -> float:
    """Check what is there, and return which model it is."""
    tensors = onnx.load(path).graph.initializer  # fails where the data is missing
    values = {float(value) for tensor in tensors for value in np.unique(onnx.numpy_helper.to_array(tensor))}
    assert values in ({OLD}, {NEW}), f"line {last}: torn: {values}"
    named = {
        entry.value
        for tensor in onnx.load(path, load_external_data=False).graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    assert len(named) == 1, named
    extra = set(os.listdir(path.parent)) - {path.name} - named
    if how != "kill":
        assert not [name for name in extra if name.endswith(".tmp")], f"line {last}: left behind: {extra}"
        assert len(extra) <= 1, f"line {last}: left behind: {extra}"
    return values.pop()


def main(folder: Path, how: str) -> None:
    files.PROTOBUF_LIMIT = 1000  # type: ignore[misc]
    path = folder / "model.onnx"
    save(model(OLD), path)
    lines = save_until(-1, how, NEW, path)
    found = []
    for last in range(1, lines + 1):
        for name in os.listdir(folder):
            (folder / name).unlink()
        save(model(OLD), path)
        dying(last, how, path)
        found.append(check(path, last, how))
    assert found[0] == OLD, "the first line is before all renames"
    assert found[-1] == NEW, "the last line is after all of them"
    print(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
