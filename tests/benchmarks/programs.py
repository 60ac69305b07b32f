"""Run the programs of benchmarks/ as a user does: in a process of their own, or, where they refuse, in this one."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# Runs a program as ``python PROGRAM`` does, with None where packages would be, so that importing one of them fails.
_WITHOUT = """
import runpy, sys
packages, sys.argv = sys.argv[1].split(","), sys.argv[2:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
sys.modules.update(dict.fromkeys(packages))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Ended:
    """What a program did.

    Attributes:
        code: Its exit code.
        lines: What it printed.
        error: What it wrote to stderr.
    """

    code: int
    lines: list[str]
    error: str


def run(program: str, *arguments: object, without: Sequence[str] = (), **environment: object) -> Ended:
    """Run a program in a process of its own.

    Args:
        program: The name of its file.
        arguments: What it is told.
        without: Packages that are not there.
        environment: Variables of the environment; ONNXDC_DATA is not there unless it is one of them.
    """
    file = str(BENCHMARKS / program)
    command = ["-c", _WITHOUT, ",".join(without), file] if without else [file]
    ended = subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        env=_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.splitlines(), ended.stderr)


def run_here(program: str, *arguments: object, without: Sequence[str] = (), **environment: object) -> Ended:
    """Run a program in this process, which is faster; for one that stops before it starts processes itself.

    Args and result are those of ``run``.
    """
    file, output, error = str(BENCHMARKS / program), io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [file, *map(str, arguments)]),
        mock.patch.dict(os.environ, _environment(environment), clear=True),
        modules_of_benchmarks(without),
        redirect_stdout(output),
        redirect_stderr(error),
    ):
        try:
            runpy.run_path(file, run_name="__main__")
            code: object = None
        except SystemExit as end:
            code = end.code
    return Ended(code if isinstance(code, int) else 0, output.getvalue().splitlines(), error.getvalue())


def refused(program: str, *arguments: object, without: Sequence[str] = (), **environment: object) -> str:
    """Return the one line in which a program says what is missing, having printed nothing; its name is cut off."""
    ended = run_here(program, *arguments, without=without, **environment)
    beginning = f"{program}: missing "
    assert (ended.code, ended.lines, ended.error.count("\n")) == (1, [], 1), ended
    assert ended.error.startswith(beginning), ended
    return ended.error.removeprefix(beginning).rstrip("\n")


@contextmanager
def modules_of_benchmarks(without: Sequence[str] = ()) -> Iterator[None]:
    """Let modules of benchmarks/ be imported, some packages not, and nothing of it stay."""
    with mock.patch.object(sys, "path", [str(BENCHMARKS), *sys.path]):
        before = {name: sys.modules.get(name) for name in without}
        sys.modules.update(dict.fromkeys(without))
        try:
            yield
        finally:
            for name, module in before.items():
                del sys.modules[name]
                if module is not None:
                    sys.modules[name] = module
            for name, module in list(sys.modules.items()):
                file = getattr(module, "__file__", None)
                if file is not None and BENCHMARKS in Path(file).parents:
                    del sys.modules[name]


def _environment(changes: dict[str, object]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "ONNXDC_DATA"}
    return inherited | {name: str(value) for name, value in changes.items()}
