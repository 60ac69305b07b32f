"""Whether compressed models can run natively here, and what to do where they cannot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import onnxruntime

from onnxdc.errors import NativeError
from onnxdc.report import Printable
from onnxdc.runtime import native


@dataclass(frozen=True, repr=False)
class Diagnosis(Printable):
    """What was found.

    Attributes:
        onnxruntime: its version.
        library: path of the native library; None if there is none.
        isa: instruction set of its kernels; None if it does not load.
        problem: what is wrong; None if nothing is.
        advice: what to do about it.
    """

    onnxruntime: str
    library: str | None = None
    isa: str | None = None
    problem: str | None = None
    advice: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether models run natively."""
        return self.problem is None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, and whether all is well."""
        return dataclasses.asdict(self) | {"healthy": self.healthy}

    def brief(self) -> str:
        """Return the instruction set, or what is wrong."""
        return self.problem or f"native, {self.isa}"

    def __str__(self) -> str:
        """A line for each finding."""
        found = dataclasses.asdict(self)
        return "\n".join(f"{name}: {value}" for name, value in found.items() if value is not None)


def examine() -> Diagnosis:
    """Find the library, load it, and register it with onnxruntime."""
    found = Diagnosis(onnxruntime.__version__)
    advice = "install onnxdc with pip, which builds the library"
    try:
        found = dataclasses.replace(found, library=native.library_path())
        advice = "reinstall onnxdc for this machine, and see that ONNXDC_ISA, if set, names a set that it has"
        found = dataclasses.replace(found, isa=native.isa())
        advice = "install onnxruntime 1.17 or later"
        onnxruntime.SessionOptions().register_custom_ops_library(found.library)
    except NativeError as error:
        return dataclasses.replace(found, problem=str(error), advice=advice)
    except Exception as error:  # onnxruntime raises many types, which share no base
        return dataclasses.replace(found, problem=" ".join(str(error).split()), advice=advice)
    return found
