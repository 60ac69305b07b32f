"""Whether compressed models can run natively on this machine, and what to do if they cannot."""

from __future__ import annotations

import dataclasses
import os
import platform
from dataclasses import dataclass, field
from typing import Any, Final

import onnxdc
from onnxdc.errors import NativeError
from onnxdc.report import Printable
from onnxdc.runtime import machine, native
from onnxdc.runtime.ort import onnxruntime
from onnxdc.shown import MESSAGE_LENGTH, shown

_COST: Final = (
    "models run by their portable functions: the same outputs, but sparse layers are no faster than dense ones, and "
    "opening a file takes more time and memory"
)


@dataclass(frozen=True, repr=False)
class Diagnosis(Printable):
    """What an examination of the installation tells.

    Attributes:
        onnxdc: The version of the package.
        python: The version of Python.
        onnxruntime: The version of onnxruntime.
        packages: The versions of other packages that matter, by name.
        system: The operating system and its architecture.
        processor: The processor's name and its cores.
        library: The path of the native library; None if there is none.
        isa: The instruction set of its kernels; None if it does not load.
        choice: Why this one.
        problem: What is wrong; None if nothing is.
        cost: What the problem costs.
        advice: What to do about it.
    """

    onnxdc: str
    python: str
    onnxruntime: str
    packages: dict[str, str] = field(default_factory=dict)
    system: str = ""
    processor: str = ""
    library: str | None = None
    isa: str | None = None
    choice: str | None = None
    problem: str | None = None
    cost: str | None = None
    advice: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether models run natively."""
        return self.problem is None

    @property
    def line(self) -> str:
        """Everything that a report of a bug should say of the installation, in one line."""
        packages = (f"{name} {version}" for name, version in self.packages.items())
        facts = (
            f"onnxdc {self.onnxdc}",
            self.isa if self.healthy else f"not native ({self.problem})",
            f"Python {self.python}",
            f"onnxruntime {self.onnxruntime}",
            *packages,
            self.system,
            self.processor,
        )
        return "; ".join(str(fact) for fact in facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, whether all is well, and the line for a report."""
        return dataclasses.asdict(self) | {"healthy": self.healthy, "line": self.line}

    def brief(self) -> str:
        """Return the instruction set, or what is wrong."""
        return self.problem or f"native, {self.isa}"

    def __str__(self) -> str:
        """Return a line for each fact, and the one for a report at the end."""
        facts = dataclasses.asdict(self)
        facts["packages"] = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        facts["for a bug report"] = self.line
        return "\n".join(f"{name}: {shown(value, MESSAGE_LENGTH)}" for name, value in facts.items() if value)


def examine() -> Diagnosis:
    """Find the library, load it, and register it with onnxruntime."""
    diagnosis = Diagnosis(
        onnxdc.__version__,
        platform.python_version(),
        onnxruntime.__version__,
        machine.packages(),
        machine.system(),
        machine.processor(),
    )
    advice = _advice_without_library
    try:
        diagnosis = dataclasses.replace(diagnosis, library=native.library_path())
        advice = _advice_for_library
        diagnosis = dataclasses.replace(diagnosis, isa=native.isa(), choice=_choice())
        advice = _advice_for_onnxruntime
        onnxruntime.SessionOptions().register_custom_ops_library(diagnosis.library)
    except NativeError as error:
        return dataclasses.replace(diagnosis, problem=str(error), cost=_COST, advice=advice())
    except Exception as error:  # onnxruntime raises many types, which share no base
        problem = shown(" ".join(str(error).split()), MESSAGE_LENGTH)
        return dataclasses.replace(diagnosis, problem=problem, cost=_COST, advice=advice())
    return diagnosis


def _choice() -> str:
    """Say why the library uses the instruction set that it uses."""
    forced, supported = os.environ.get(native.ISA_VARIABLE), ", ".join(native.supported_isas())
    return f"{native.ISA_VARIABLE}={forced}" if forced else f"the first of those that run here: {supported}"


def _advice_without_library() -> str:
    missing = machine.why_no_compiler()
    if missing is None:
        return (
            "reinstall onnxdc with ONNXDC_REQUIRE_NATIVE=1 in the environment, which says why the library is not built"
        )
    return f"install a wheel for this system, or a compiler, and then onnxdc again: {missing}"


def _advice_for_library() -> str:
    return f"reinstall onnxdc for this machine, and see that {native.ISA_VARIABLE}, if set, names a set that it has"


def _advice_for_onnxruntime() -> str:
    return "install onnxruntime 1.17 or later"
