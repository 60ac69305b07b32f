"""The hand-off of work: a function, what it is called with time after time, and the results in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias, TypeVar

from onnxdc.graph.weights import Weight

Answer = TypeVar("Answer")

Call: TypeAlias = tuple[Any, ...]
"""The arguments of one call. One that is a ``Weight`` arrives as its values, an array; all others can be pickled."""


class Mapper(Protocol):
    """Does work somewhere."""

    def __call__(self, function: Callable[..., Answer], calls: Iterable[Call]) -> Iterator[Answer]:
        """Yield what a function returns for each call, in their order.

        Args:
            function: The work; it can be pickled, returns the same for the same arguments, and changes nothing.
            calls: Its arguments, taken one by one while the results are: as few as it takes are in memory.

        Raises:
            ModelError: The data of a weight cannot be read.
            WorkersError: Those who do the work are gone, or cannot do it.
        """


def here(function: Callable[..., Answer], calls: Iterable[Call]) -> Iterator[Answer]:
    """Do the work in this process, one call after the other: the ``Mapper`` that does without workers."""
    for call in calls:
        yield function(*(argument.array() if isinstance(argument, Weight) else argument for argument in call))
