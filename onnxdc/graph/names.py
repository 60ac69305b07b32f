"""New names for values, that clash with none in the model."""

from __future__ import annotations

import itertools
import string
from collections.abc import Container, Iterator, Sequence
from typing import Final

import onnx_ir as ir

from onnxdc.graph.walk import graphs

_FIRST: Final = string.ascii_letters
_FURTHER: Final = string.ascii_letters + string.digits


def short_names(taken: Container[str]) -> Iterator[str]:
    """Yield names that are identifiers in C, as ONNX asks for, the shortest first, but for those that are taken."""
    for further in itertools.count():
        for letters in itertools.product(_FIRST, *[_FURTHER] * further):
            name = "".join(letters)
            if name not in taken:
                yield name


class Names:
    """The names of a model's values, in all scopes: a new one hides no value of a graph around it, nor is hidden."""

    def __init__(self, model: ir.Model) -> None:
        self._number = 0
        self._taken: set[str] = set()
        for _, graph in graphs(model):
            self._taken.update(value.name or "" for value in graph.inputs)
            self._taken.update(graph.initializers)
            self._taken.update(value.name or "" for node in graph for value in node.outputs)

    def take(self, name: str, suffixes: Sequence[str] = ("",)) -> str:
        """Take the first of ``name``, ``name_1``, ``name_2``, ... that is free with each of the suffixes."""
        candidate, number = name, 0
        while any(candidate + suffix in self._taken for suffix in suffixes):
            number += 1
            candidate = f"{name}_{number}"
        self._taken.update(candidate + suffix for suffix in suffixes)
        return candidate

    def take_number(self, suffixes: Sequence[str]) -> str:
        """Take the next number as a name: ``1``, ``2``, ..., or ``1_1`` if ``1`` is taken with one of the suffixes."""
        self._number += 1
        return self.take(str(self._number), suffixes)
