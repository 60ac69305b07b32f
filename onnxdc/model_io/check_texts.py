"""Check that names are texts: protobuf hands a string that is no UTF-8 over as bytes."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import Scope


def check_texts(scope: Scope, where: str) -> None:
    """Refuse names that are no UTF-8.

    Raises:
        ModelError: One is not; the error shows it.
    """
    for text in _texts(scope):
        if not isinstance(text, str):
            raise ModelError(f"{where}: not valid ONNX: expected names in UTF-8, got {bytes(text)[:40]!r}")


def _texts(scope: Scope) -> Iterator[str | bytes]:
    body = scope.body
    yield body.name
    yield from scope.opsets
    yield from scope.inputs
    yield from scope.outputs
    yield from (tensor.name for tensor in scope.initializers)
    yield from (info.name for info in body.value_info)
    if isinstance(body, onnx.FunctionProto):
        yield from (body.domain, body.overload, *body.attribute)
    for node in body.node:
        yield from (node.op_type, node.domain, node.name, node.overload, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
