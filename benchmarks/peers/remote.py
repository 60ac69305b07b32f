"""Peers that cannot share our environment: each has a virtual environment, and for each model a process, of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.sessions import Feed

_END: Final = 30.0  # seconds that a process may take to end


class RemoteError(Exception):
    """An environment cannot be made, or a process ended; one line says why."""


def python_of(folder: Path, requirements: Sequence[str], newest: int) -> Path:
    """Return the Python of a virtual environment, which is made unless it is there.

    Args:
        folder: The folder of the environment.
        requirements: What pip installs there.
        newest: The newest minor version of Python 3 that the requirements can take.

    Raises:
        RemoteError: There is no such Python, or pip fails.
    """
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run(_old_python(newest), "-m", "venv", folder)
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        done.touch()
    return python


class Remote:
    """A model in another process; that process is a script such as ``deepsparse_worker.py``, which says how to talk.

    Args:
        python: The Python that runs the script.
        script: What takes the model, a file with the feed, a file for the outputs, and the number of threads.
        model: The dense model.
        feed: The feed of every run.
        threads: How many the model gets.

    Raises:
        RemoteError: The process ended; from ``seconds``, too.
    """

    def __init__(self, python: Path, script: Path, model: Path, feed: Feed, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        inputs, outputs, self._errors = (Path(self._folder.name, name) for name in ("in.npz", "out.npz", "errors"))
        np.savez(inputs, **feed)  # type: ignore[arg-type]
        command = [*map(str, (python, script, model, inputs, outputs, threads))]
        pipe = subprocess.PIPE
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        self._answer()
        with np.load(outputs) as arrays:
            self._outputs = list(arrays.values())

    def run(self, output_names: None, feed: Feed, /) -> Any:
        """Return the outputs of the first run: the feed is always the same."""
        return self._outputs

    def seconds(self, runs: int) -> float:
        """Return the seconds of a run, of so many, by the process's own clock."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer says why
            print("run", runs, file=self._process.stdin, flush=True)
        return float(self._answer()) / runs

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what the process did not read before it ended
            self._process.stdin.close()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._folder.cleanup()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            code = self._process.wait()
            raise RemoteError(f"exit code {code}: {_last_line(self._errors.read_text())}")
        return answer


def _old_python(newest: int) -> str:
    """Return a Python of that minor version or an older one.

    Raises:
        RemoteError: There is none.
    """
    if sys.version_info[:2] <= (3, newest):
        return sys.executable
    for minor in range(newest, 7, -1):
        python = shutil.which(f"python3.{minor}")
        if python and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0:
            return python
    raise RemoteError(f"it takes Python 3.8 to 3.{newest}: none is there")


def _run(*command: str | Path) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RemoteError(_last_line(ended.stderr or ended.stdout))


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "nothing was said"
