"""What the machine can do at most, measured by a small program that is compiled here, and what that means for a model.

The roofline of a layer is the time that its nonzeros take at the peak of fused multiply-adds, or the time that its
weight, its input and its output take to be read, whichever is longer. They are read at the speed at which a buffer can
be read over and over that is as large as what the whole model touches: from a cache, if that fits. A model takes at
least what its layers with weights do, one after the other; nothing else counts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from speed.files import Layer

_SOURCE: Final = Path(__file__).with_name("limits.cc")
# The multiplication and the addition become one instruction only if the compiler is told that it may.
_FLAGS: Final = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-pthread")


class CompilerError(Exception):
    """The program cannot be compiled; one line says why."""


@dataclass(frozen=True)
class Limits:
    """The limits of this machine.

    Attributes:
        program: The program that measures them.
    """

    program: Path

    def flops(self, threads: int) -> float:
        """Return the floating-point operations a second."""
        return _measure(self.program, "fma", threads)

    def bandwidth(self, nbytes: int, threads: int) -> float:
        """Return the bytes a second that are read from a buffer of this size."""
        return _measure(self.program, "read", nbytes, threads)

    def seconds(self, layers: Sequence[Layer], threads: int) -> float:
        """Return the roofline of a model: what a run takes at least."""
        flops = self.flops(threads)
        bandwidth = self.bandwidth(round(sum(layer.touched_bytes for layer in layers)), threads)
        return sum(max(layer.flops / flops, layer.touched_bytes / bandwidth) for layer in layers)


def compile_limits(folder: Path) -> Limits:
    """Compile the program into a folder, for this very processor.

    Raises:
        CompilerError: There is no compiler (``CXX``, or else ``c++``), or it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program, compiler = folder / "limits", os.environ.get("CXX", "c++")
    try:
        subprocess.run([compiler, *_FLAGS, _SOURCE, "-o", program], capture_output=True, text=True, check=True)
    except OSError as error:
        raise CompilerError(f"{compiler}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        first, *_ = [*str(error.stderr).splitlines(), f"exit code {error.returncode}"]
        raise CompilerError(f"{compiler}: {first}") from error
    return Limits(program)


@cache
def _measure(program: Path, *arguments: str | int) -> float:
    command = [str(program), *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
