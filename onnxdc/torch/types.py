"""Types and arrays between ONNX, numpy and PyTorch."""

from __future__ import annotations

from typing import Final

import ml_dtypes
import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from onnxdc.errors import ModelError

_TYPES: Final = {
    ir.DataType.BOOL: torch.bool,
    ir.DataType.UINT8: torch.uint8,
    ir.DataType.INT8: torch.int8,
    ir.DataType.INT16: torch.int16,
    ir.DataType.INT32: torch.int32,
    ir.DataType.INT64: torch.int64,
    ir.DataType.FLOAT16: torch.float16,
    ir.DataType.BFLOAT16: torch.bfloat16,
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
}


def torch_type(kind: ir.DataType, where: str) -> torch.dtype:
    """Return the type of PyTorch for one of ONNX.

    Raises:
        ModelError: PyTorch has no operators for the type.
    """
    if kind not in _TYPES:
        raise ModelError(f"{where}: type {kind.name.lower()} is not covered in PyTorch")
    return _TYPES[kind]


def to_torch(array: np.ndarray) -> Tensor:
    """Return a copy of an array; bfloat16 is that of ml_dtypes."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(np.array(array.view(np.uint16))).view(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Return a copy of a tensor, detached from its graph; bfloat16 is that of ml_dtypes."""
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype == torch.bfloat16:
        return np.array(plain.view(torch.uint16).numpy()).view(ml_dtypes.bfloat16)
    return np.array(plain.numpy())
