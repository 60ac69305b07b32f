"""Names for onnxruntime's quantizer, which makes more by endings such as ``_scale``, whoever has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.graph.names import Names
from onnxdc.graph.walk import graphs

_ALIAS: Final = re.compile(r"\|(\d+)\|")


class Aliases:
    """Other names for all values of a model, which no name that is made of them can be.

    Args:
        model: The model, which is not changed.
    """

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._names: list[str] = []
        self._aliases: dict[str, str] = {}

    def proto(self) -> onnx.ModelProto:
        """Return the model with other names."""
        copy = self._model.clone()
        values = list(dict.fromkeys(_values(copy)))
        self._names = [value.name or "" for value in values]
        for number, value in enumerate(values):
            value.name = f"|{number}|"
            self._aliases.setdefault(self._names[number], value.name)  # the main graph comes first
        proto = ir.to_proto(copy)
        for value, name in zip(values, self._names, strict=True):
            value.name = name  # tensors have names, too, and copies have the same tensors
        return proto

    def of(self, name: str) -> str:
        """Return the other name of a value of the main graph."""
        return self._aliases[name]

    def undo(self, made: ir.Model) -> None:
        """Give the values of a model that was made of the one with other names their own, and new ones a free one."""
        names = Names(self._model)
        for value in dict.fromkeys(_values(made)):
            is_new = _ALIAS.fullmatch(value.name or "") is None
            name = self._own(value.name or "")
            value.name = names.take(name) if is_new else name
        for node in made.graph:
            node.name = self._own(node.name or "")

    def _own(self, name: str) -> str:
        return _ALIAS.sub(lambda match: self._names[int(match[1])], name)


def _values(model: ir.Model) -> Iterator[ir.Value]:
    """Yield the values that have names outside functions, those of the main graph first."""
    for function, graph in graphs(model):
        if function is None:
            yield from graph.inputs
            yield from list(graph.initializers.values())
            yield from (value for node in graph for value in node.outputs if value.name)
