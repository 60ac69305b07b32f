"""The bytes that parts of a model take in a protobuf message."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir


def text_bytes(text: str | None) -> int:
    """Return the bytes of a field that holds a text: tag, length and text; none for an empty one."""
    return field_bytes(len(text.encode())) if text else 0


def props_bytes(props: Mapping[str, str]) -> int:
    """Return the bytes of metadata_props: an entry with a key and a value each."""
    return sum(field_bytes(text_bytes(key) + text_bytes(value)) for key, value in props.items())


def info_bytes(value: ir.Value) -> int:
    """Return the bytes of a value_info; none where a value has nothing to say in it."""
    if value.type is None and value.shape is None and not value.doc_string and not value.metadata_props:
        return 0
    return field_bytes(ir.serde.serialize_value(value).ByteSize())


def field_bytes(length: int) -> int:
    """Return the bytes of a field with so many bytes in it: a tag of one byte, and seven bits of length in each."""
    return 1 + max(1, -(-length.bit_length() // 7)) + length
