"""The budget of a model: how much memory it may take, by the size of its files."""

from __future__ import annotations

import onnx_ir as ir

from onnxdc.domain.limits import Budget, Limit, stored_bytes
from onnxdc.model_io.load import file_bytes


def budget_of(model: ir.Model, limit: Limit | None = None) -> Budget:
    """Return what decoding a model may take: ``limit``, else what its size allows.

    Args:
        model: A model as ``load`` returns it.
        limit: Bytes, or a text such as ``"4GB"``.

    Raises:
        OptionError: The limit is no size.
    """
    size = file_bytes(model)
    return Budget.of(stored_bytes(model) if size is None else size, limit)
