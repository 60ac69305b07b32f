"""What implements an operator here: a function of its call and its inputs, registered by the name in ONNX.

It takes a ``Call``, then the inputs in ONNX's order (None for an optional one that is left out), and returns the
output, or a tuple of the outputs. It must be differentiable wherever the operator is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from torch import Tensor

Outputs: TypeAlias = Tensor | tuple[Tensor | None, ...]
Function: TypeAlias = Callable[..., Outputs]
_F = TypeVar("_F", bound=Function)


class Subgraph(Protocol):
    """A subgraph, ready to run: it sees the values around it."""

    def __call__(self, *inputs: Tensor | None) -> list[Tensor]:
        """Return its outputs for these inputs."""


@dataclass(frozen=True)
class Call:
    """One run of a node, apart from its inputs.

    Attributes:
        attributes: The attributes as plain Python values; tensors as ``Tensor``, subgraphs as ``Subgraph``.
        version: The version of the operator set that the node is written in.
        outputs: The number of the node's outputs, those after the last one that is used left out.
        dropout: The layer of a Dropout node, None for all others.
        training: Whether the module trains.
    """

    attributes: Mapping[str, Any]
    version: int
    outputs: int
    dropout: Callable[[Tensor], Tensor] | None = None
    training: bool = False

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or what it is when it is left out."""
        return self.attributes.get(name, default)

    def ints(self, given: Tensor | None, name: str) -> list[int] | None:
        """Return integers that are an input in newer operator sets, and were the attribute ``name`` before."""
        return self.get(name) if given is None else [int(number) for number in given.reshape(-1).tolist()]


Refusal: TypeAlias = Callable[[Mapping[str, Any], int], str | None]


@dataclass(frozen=True)
class Implementation:
    """An operator of ONNX over PyTorch.

    Attributes:
        run: What computes it.
        refuses: What says which forms are not covered: it takes the attributes and the number of outputs, and returns
            the reason, None where there is none. None if all that ONNX allows is covered.
    """

    run: Function
    refuses: Refusal | None = None


IMPLEMENTATIONS: Final[dict[str, Implementation]] = {}


def operator(name: str, refuses: Refusal | None = None) -> Callable[[_F], _F]:
    """Register the function below as what implements the operator of this name."""

    def register(function: _F) -> _F:
        assert name not in IMPLEMENTATIONS, f"{name} is registered twice"
        IMPLEMENTATIONS[name] = Implementation(function, refuses)
        return function

    return register


def register_plain(functions: Mapping[str, Callable[..., Tensor]]) -> None:
    """Register functions of the inputs alone, by the names of their operators."""
    for name, function in functions.items():
        operator(name)(lambda call, *inputs, function=function: function(*inputs))
