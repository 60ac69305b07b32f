"""A model that something was done to, with a report of what it was."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import onnx
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.report.printable import Printable

AnyReport = TypeVar("AnyReport", bound=Printable)


@dataclass(repr=False)
class ChangedModel(Generic[AnyReport]):
    """A model that something was done to.

    Attributes:
        model: The model; its large tensors may be read from the file of the original when they are needed.
        report: What was done.
    """

    model: ir.Model
    report: AnyReport

    def to_proto(self) -> onnx.ModelProto:
        """Return the model as the ``onnx`` package has it; below 2 GB."""
        return model_io.to_proto(self.model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing.

        External data, if the model needs it, goes to ``<path>.<digest>.data`` next to it.

        Raises:
            ModelError: ``path`` cannot be written, or is a file that the model was read from.
        """
        self._write(path)

    def _write(self, path: str | os.PathLike[str]) -> int:
        """Write the model and return its bytes, those of external data included."""
        return model_io.save(self.model, path)

    def to_dict(self) -> dict[str, Any]:
        """Return what was done as values, such as JSON has: those of the report."""
        return self.report.to_dict()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.report.brief()}>"

    def _repr_html_(self) -> str:
        """Return the report, for notebooks."""
        return self.report._repr_html_()
