"""What an operator is here: a function of its call and its inputs, registered by the name that ONNX has for it.

An operator takes a ``Call``, then its inputs in ONNX's order (None for an optional one that is left out), and returns
its output, or a tuple of its outputs. It must be differentiable wherever the operator is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from torch import Tensor

Result: TypeAlias = Tensor | tuple[Tensor | None, ...]
Operator: TypeAlias = Callable[..., Result]
_F = TypeVar("_F", bound=Operator)


class Body(Protocol):
    """A subgraph, ready to run: it sees the values around it."""

    def __call__(self, *inputs: Tensor | None) -> list[Tensor]:
        """Its outputs, for these inputs."""


@dataclass(frozen=True)
class Call:
    """One run of a node, apart from its inputs.

    Attributes:
        attributes: as plain Python values; tensors as ``Tensor``, subgraphs as ``Body``.
        version: of the operator set that the node is written in.
        outputs: how many outputs the node has, those behind the last one that is used left out.
        dropout: the layer of a Dropout node, None for all others.
        training: whether the module trains.
    """

    attributes: Mapping[str, Any]
    version: int
    outputs: int
    dropout: Callable[[Tensor], Tensor] | None = None
    training: bool = False

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what it is when it is left out."""
        return self.attributes.get(name, default)

    def ints(self, given: Tensor | None, name: str) -> list[int] | None:
        """Integers that are an input in newer operator sets, and were the attribute ``name`` before."""
        return self.get(name) if given is None else [int(number) for number in given.reshape(-1).tolist()]


Refusal: TypeAlias = Callable[[Mapping[str, Any], int], str | None]


@dataclass(frozen=True)
class Entry:
    """An operator and, where it does not cover all that ONNX allows, what is wrong with a node's attributes.

    ``refuses`` takes the attributes and the number of outputs, and answers with the reason, None where there is none.
    """

    run: Operator
    refuses: Refusal | None = None


OPERATORS: Final[dict[str, Entry]] = {}


def operator(name: str, refuses: Refusal | None = None) -> Callable[[_F], _F]:
    """Register the function below as the operator of this name."""

    def register(function: _F) -> _F:
        assert name not in OPERATORS, f"{name} is registered twice"
        OPERATORS[name] = Entry(function, refuses)
        return function

    return register
