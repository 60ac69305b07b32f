"""From bytes to a ModelProto, or a word on why they are none."""

from __future__ import annotations

from typing import Final

import google.protobuf.message
import onnx

from onnxdc.errors import ModelError

_WIRE_TYPES: Final = (0, 2)  # of the fields of a ModelProto: varint and length-delimited
_LOOKED_AT: Final = 10_000  # fields: a model has a few dozen


def parse(content: memoryview, where: str) -> onnx.ModelProto:
    """Parse the bytes of a model.

    Raises:
        ModelError: There are none, they are truncated, or no model.
    """
    if not content:
        raise ModelError(f"{where}: expected an ONNX model, got an empty file")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except google.protobuf.message.DecodeError as error:
        raise ModelError(f"{where}: {why_not_parsed(content)}") from error
    if not proto.HasField("graph"):
        raise ModelError(f"{where}: not an ONNX model: it holds no graph")
    return proto


def why_not_parsed(content: memoryview) -> str:
    """Say what is wrong with bytes that protobuf refused.

    The first fields of the outermost message are walked by their lengths: where they look like a model's but the last
    one ends after the file, the model is truncated.
    """
    known = {field.number for field in onnx.ModelProto.DESCRIPTOR.fields}
    position = fields = 0
    while position < len(content) and fields < _LOOKED_AT:
        tag, position = _varint(content, position)
        value, position = _varint(content, position)
        if tag >> 3 not in known or tag & 7 not in _WIRE_TYPES:
            return "not an ONNX model"
        if tag & 7 == 2:
            position += value
        fields += 1
    if fields > 1 and position > len(content):
        return f"truncated: expected at least {position} bytes, got {len(content)}"
    return "not an ONNX model"


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return a protobuf varint and the position after it; a cut one reads as if zeros followed."""
    value = 0
    for shift in range(0, 64, 7):
        byte = content[position] if position < len(content) else 0
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, position
