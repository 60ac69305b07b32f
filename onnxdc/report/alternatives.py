"""What else one could have done to a model, in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alternative:
    """Another file of the same model.

    Attributes:
        name: What was done, such as ``"int8 (onnxruntime dynamic) + brotli"``.
        nbytes: The bytes that were counted; None if it could not be done.
        reason: Why it could not; empty if it could.
    """

    name: str
    nbytes: int | None
    reason: str = ""

    @property
    def text(self) -> str:
        """The name, and the bytes or the reason.

        >>> Alternative("int8 (onnxruntime dynamic) + brotli", 922_140).text
        'int8 (onnxruntime dynamic) + brotli: 922 KB'
        """
        if self.nbytes is None:
            return f"{self.name}: {self.reason}"
        for unit, scale in (("MB", 10**6), ("KB", 10**3)):
            if self.nbytes >= scale:
                return f"{self.name}: {self.nbytes / scale:.3g} {unit}"
        return f"{self.name}: {self.nbytes} bytes"
