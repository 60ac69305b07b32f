"""Whether compressed models can run natively on this machine, and what to do if they cannot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import onnxruntime

from onnxdc.errors import NativeError
from onnxdc.report import Printable
from onnxdc.runtime import native
from onnxdc.shown import MESSAGE_LENGTH, shown


@dataclass(frozen=True, repr=False)
class Diagnosis(Printable):
    """What an examination of the installation tells.

    Attributes:
        onnxruntime: The version of onnxruntime.
        library: The path of the native library; None if there is none.
        isa: The instruction set of its kernels; None if it does not load.
        problem: What is wrong; None if nothing is.
        advice: What to do about it.
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
        """Return a line for each fact."""
        facts = dataclasses.asdict(self)
        return "\n".join(
            f"{name}: {shown(value, MESSAGE_LENGTH)}" for name, value in facts.items() if value is not None
        )


def examine() -> Diagnosis:
    """Find the library, load it, and register it with onnxruntime."""
    diagnosis = Diagnosis(onnxruntime.__version__)
    advice = "install onnxdc with pip, which builds the library"
    try:
        diagnosis = dataclasses.replace(diagnosis, library=native.library_path())
        advice = "reinstall onnxdc for this machine, and see that ONNXDC_ISA, if set, names a set that it has"
        diagnosis = dataclasses.replace(diagnosis, isa=native.isa())
        advice = "install onnxruntime 1.17 or later"
        onnxruntime.SessionOptions().register_custom_ops_library(diagnosis.library)
    except NativeError as error:
        return dataclasses.replace(diagnosis, problem=str(error), advice=advice)
    except Exception as error:  # onnxruntime raises many types, which share no base
        return dataclasses.replace(
            diagnosis, problem=shown(" ".join(str(error).split()), MESSAGE_LENGTH), advice=advice
        )
    return diagnosis
