"""What a verification tells: differences, accuracies, and whether they are accepted; as text and as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from onnxdc.report.printable import Printable


@dataclass(frozen=True)
class OutputDifference:
    """How far two runs are apart in one output.

    Attributes:
        name: The name of the output.
        absolute: The largest |a - b| of all elements; infinite if only one is NaN, or no numbers that differ.
        relative: The ``absolute`` over the largest finite |a| of the output; 0 if nothing differs.
    """

    name: str
    absolute: float
    relative: float


@dataclass(frozen=True)
class Comparison:
    """Two runs compared.

    Attributes:
        a, b: The name of each run, such as ``"small.onnx (native)"``.
        outputs: The difference in each output.
        tolerance: The largest relative difference that is accepted; None if any is.
    """

    a: str
    b: str
    outputs: tuple[OutputDifference, ...]
    tolerance: float | None

    @property
    def relative(self) -> float:
        """The largest relative difference of all outputs."""
        return max((output.relative for output in self.outputs), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether the difference is accepted."""
        return self.tolerance is None or self.relative <= self.tolerance


@dataclass(frozen=True)
class Accuracy:
    """How often the label is the first, or among the first five, of the classes by the first output of a run."""

    run: str
    top1: float
    top5: float


@dataclass(frozen=True, repr=False)
class Verification(Printable):
    """What ``verify`` tells of two models.

    Attributes:
        inputs: What the inputs are: given or random.
        runs: The number of runs of each session.
        comparisons: B's runs against A's, and B's native run against its portable one.
        accuracies: How often each run was right, if labels were given.
        notes: What could not be run, and why.
    """

    inputs: str
    runs: int
    comparisons: tuple[Comparison, ...]
    accuracies: tuple[Accuracy, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all differences are accepted."""
        return all(comparison.passed for comparison in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, and what has passed."""
        comparisons = [
            dataclasses.asdict(comparison) | {"passed": comparison.passed} for comparison in self.comparisons
        ]
        return dataclasses.asdict(self) | {"comparisons": comparisons, "passed": self.passed}

    def brief(self) -> str:
        """Return the largest relative difference."""
        return f"relative difference {max((pair.relative for pair in self.comparisons), default=0.0):.1e}"

    def __str__(self) -> str:
        """Return a line for each output of each comparison, and for each accuracy."""
        lines = [f"inputs: {self.inputs}, {self.runs} runs"]
        for comparison in self.comparisons:
            limit = "" if comparison.tolerance is None else f", tolerance {comparison.tolerance:.1e}"
            verdict = "" if comparison.tolerance is None else ": ok" if comparison.passed else ": EXCEEDED"
            lines.append(f"{comparison.a} and {comparison.b}{limit}{verdict}")
            lines += [
                f"  {output.name}: largest difference {output.absolute:.3e}, relative {output.relative:.3e}"
                for output in comparison.outputs
            ]
        lines += [f"{score.run}: top-1 {score.top1:.2%}, top-5 {score.top5:.2%}" for score in self.accuracies]
        return "\n".join([*lines, *self.notes])
