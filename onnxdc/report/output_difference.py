"""What one output of a run is like, how far two runs are apart in it, and why that is not accepted or says little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from onnxdc.numeric.divergence import Measure
from onnxdc.shown import shown

CONSTANT: Final = 1e-5  # an element that changes by less than this, of the largest value, does not change
_CLEARLY: Final = 1e-3  # one that changes by more than this does
_KEPT: Final = 0.8  # of the items of rare classes: what one would not miss is less than the rest
_SATURATED: Final = 0.99  # share of the elements that lie at the bounds of a Sigmoid or the like


@dataclass(frozen=True)
class OutputState:
    """What one output of one run is like, over all items.

    Attributes:
        elements: The number of its elements.
        finite: The share of its elements that are finite numbers; 1 if there is none.
        variation: The largest change of an element between items, over the largest value; None if there is one item,
            or if all items of the inputs are the same.
        at_bounds: The share of its elements at the bounds of the Sigmoid or Tanh that they come from; None if they
            come from another operator.
    """

    elements: int
    finite: float
    variation: float | None
    at_bounds: float | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on the input."""
        return self.variation is not None and self.variation <= CONSTANT

    @property
    def is_saturated(self) -> bool:
        """Whether it lies at its bounds, where large differences of what comes before do not show."""
        return self.at_bounds is not None and self.at_bounds >= _SATURATED

    @property
    def says_something(self) -> bool:
        """Whether a comparison with it can find a difference."""
        return self.elements > 0 and self.finite > 0 and not self.is_constant


@dataclass(frozen=True)
class RareClasses:
    """What becomes of the items whose first class is not the commonest one, in A or in B.

    Attributes:
        items: The number of these items.
        agreement: The share of them whose first class is the same in both.
    """

    items: int
    agreement: float

    def told(self) -> str:
        """Return that in words."""
        shares = f"{self.agreement:.1%} of the {self.items:,} items"
        return f"the first class is the same for {shares} that are not of the commonest class"


@dataclass(frozen=True)
class OutputDifference:
    """How far two runs are apart in one output.

    Attributes:
        name: The name of the output.
        absolute: The largest |a - b| of all elements; infinite if only one is NaN, or no numbers that differ.
        relative: The ``absolute`` over the largest finite |a| of the output; 0 if nothing differs.
        measure: How the divergence is measured, see ``onnxdc/numeric/divergence.py``.
        divergence: The divergence f.
        limit: The largest divergence that is accepted; None if any is.
        top1_agreement: The share of the items whose first class is the same; None if it has no classes.
        rare: The same of the items of rare classes, where one class is the first of nearly all; None elsewhere.
        least_agreement: The smallest of both shares that is accepted; None if any is.
        other_shapes: The number of runs in which the shapes differed.
        new_faults: The number of elements of B that are NaN or infinite where A has a number.
        a, b: What the output is like in each run.
    """

    name: str
    absolute: float
    relative: float
    measure: Measure
    divergence: float
    limit: float | None
    top1_agreement: float | None
    rare: RareClasses | None
    least_agreement: float | None
    other_shapes: int
    new_faults: int
    a: OutputState
    b: OutputState

    def failures(self) -> Iterator[str]:
        """Yield why it is not accepted, the tolerance aside."""
        if self.limit is None:
            return
        name = shown(self.name)
        if self.new_faults:
            yield f"{name}: {self.new_faults} values are NaN or infinite that were numbers"
        elif self.divergence > self.limit:
            yield f"{name}: divergence {self.divergence:.3g} ({self.measure}), at most {self.limit:g} is accepted"
        if self.least_agreement is not None and (self.top1_agreement or 0.0) < self.least_agreement:
            shares = f"{self.top1_agreement or 0.0:.1%} of the items, at least {self.least_agreement:.0%} is accepted"
            yield f"{name}: the first class is the same for {shares}"
        elif self.least_agreement is not None and self.rare is not None and self.rare.agreement < self.least_agreement:
            yield f"{name}: {self.rare.told()}, at least {self.least_agreement:.0%} is accepted"
        if self.b.is_constant and self.a.variation is not None and self.a.variation > _CLEARLY:
            yield f"{name}: it does not depend on the input any more"

    def cautions(self) -> Iterator[str]:
        """Yield why it is not accepted, or what is lost that the divergence hardly heeds."""
        failures = list(self.failures())
        yield from failures
        if not failures and self.rare is not None and self.rare.agreement < _KEPT:
            yield f"{shown(self.name)}: {self.rare.told()}, for which a mean over all items says little"

    def warnings(self) -> Iterator[str]:
        """Yield why the comparison says little."""
        name = shown(self.name)
        if not self.a.elements:
            yield f"{name}: empty in A: the comparison says nothing"
        elif not self.a.finite:
            yield f"{name}: NaN or infinite throughout, in A already: the comparison says nothing"
        elif self.a.is_constant:
            yield f"{name}: constant, the same for all items: the comparison says little"
        elif self.a.finite < 1:
            yield f"{name}: {1 - self.a.finite:.1%} of it are NaN or infinite in A already, and left out"
        if self.a.finite and self.a.is_saturated:
            yield f"{name}: saturated, {self.a.at_bounds:.1%} of it at its bounds: the comparison says little"
        if self.other_shapes:
            yield f"{name}: of another shape in {self.other_shapes} runs"
