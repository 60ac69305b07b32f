"""Operator sets that a model imports: ``""`` and ``ai.onnx`` are two names of one domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import onnx

from onnxdc.errors import ModelError

_NAMES: Final = ("", "ai.onnx")


def with_one_default_domain(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return a model that imports the default domain once; the model itself if it does.

    Raises:
        ModelError: It imports two versions of it.
    """
    holders = [
        ("the model", proto.opset_import),
        *((f"function {each.name}", each.opset_import) for each in proto.functions),
    ]
    twice = False
    for name, imports in holders:
        versions = _versions(imports)
        if len(set(versions)) > 1:
            both = " and ".join(map(str, versions[:2]))
            raise ModelError(f"{where}: {name} imports the operator sets {both} of the domain ai.onnx, expected one")
        twice |= len(versions) > 1
    if not twice:
        return proto
    once = onnx.ModelProto()
    once.CopyFrom(proto)
    for holder in (once, *once.functions):
        places = [place for place, each in enumerate(holder.opset_import) if each.domain in _NAMES]
        for place in reversed(places[1:]):
            del holder.opset_import[place]
        if len(places) > 1:
            holder.opset_import[places[0]].domain = ""
    return once


def _versions(imports: Iterable[onnx.OperatorSetIdProto]) -> list[int]:
    return [each.version for each in imports if each.domain in _NAMES]
