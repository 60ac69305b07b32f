"""What the verbs that change a model give back."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from onnxdc.model_io.files import inside, needs_external_data
from onnxdc.report import ChangedModel, Report


@dataclass(repr=False)
class CompressionResult(ChangedModel[Report]):
    """A model that something was done to.

    Attributes:
        model: The model; its large tensors may be read from the file of the original when they are needed.
        report: What was done.
    """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing, and note the size of the file in the report.

        External data, if the model needs it, goes to ``<path>.<digest>.data`` next to it.

        Raises:
            ModelError: ``path`` cannot be written, or is a file that the model was read from.
        """
        self.report = replace(self.report, file_after=self._write(path))

    def measure(self) -> None:
        """Note in the report what size the file would have, without writing it; of none with external data."""
        if not needs_external_data(self.model):
            with inside(self.model):
                self.report = replace(self.report, file_after=int(self.to_proto().ByteSize()))
