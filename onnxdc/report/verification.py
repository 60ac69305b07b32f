"""What a verification found: how far the outputs of two runs are apart, and whether that is accepted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from onnxdc.report.integer_check import IntegerCheck
from onnxdc.report.output_difference import OutputDifference
from onnxdc.report.printable import Printable
from onnxdc.shown import escaped, shown

Verdict: TypeAlias = Literal["ok", "failed", "says nothing"]


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
    def divergence(self) -> float:
        """The divergence f of the model: the sum of those of its outputs."""
        return sum((output.divergence for output in self.outputs), 0.0)

    @property
    def exceeded(self) -> bool:
        """Whether the difference is larger than the tolerance."""
        return self.tolerance is not None and not self.relative <= self.tolerance

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the difference is not accepted, the tolerance aside."""
        return tuple(line for output in self.outputs for line in output.failures())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the comparison says little."""
        return tuple(line for output in self.outputs for line in output.warnings())

    @property
    def passed(self) -> bool:
        """Whether the difference is accepted."""
        return not self.exceeded and not self.failures

    @property
    def verdict(self) -> Verdict:
        """Whether it is accepted, and whether there was anything to find."""
        if not self.passed:
            return "failed"
        telling = not self.outputs or any(output.a.says_something for output in self.outputs)
        return "ok" if telling else "says nothing"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the properties."""
        return dataclasses.asdict(self) | {
            "passed": self.passed,
            "verdict": self.verdict,
            "divergence": self.divergence,
            "failures": list(self.failures),
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """Return a line with the verdict, one for each output, and one for each reason."""
        verdict = "EXCEEDED" if self.exceeded else {"failed": "FAILED"}.get(self.verdict, self.verdict)
        limit = "" if self.tolerance is None else f", tolerance {self.tolerance:.1e}"
        return [
            f"{self.a} and {self.b}{limit}: {verdict}",
            *map(_line, self.outputs),
            *(f"  failed: {line}" for line in self.failures),
        ]


def _line(output: OutputDifference) -> str:
    top1 = "" if output.top1_agreement is None else f", top-1 agrees in {output.top1_agreement:.2%}"
    if output.rare is not None:
        top1 += f", {output.rare.agreement:.1%} of the {output.rare.items:,} items of rare classes"
    return (
        f"  {shown(output.name)}: largest difference {output.absolute:.3e}, relative {output.relative:.3e}, "
        f"divergence {output.divergence:.3e} ({output.measure}){top1}"
    )


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
        items: The number of items in all runs.
        alike: Whether there are inputs, and all items of them are the same.
        comparisons: B's runs against A's, and B's native run against its portable one.
        accuracies: How often each run was right, if labels were given.
        notes: What could not be run, and why.
        integers: What was found of integers that B has coded; None if there are none that A has, too.
    """

    inputs: str
    runs: int
    items: int
    alike: bool
    comparisons: tuple[Comparison, ...]
    accuracies: tuple[Accuracy, ...] = ()
    notes: tuple[str, ...] = ()
    integers: IntegerCheck | None = None

    @property
    def passed(self) -> bool:
        """Whether all differences are accepted."""
        return all(comparison.passed for comparison in self.comparisons) and not self._of_integers

    @property
    def failures(self) -> tuple[str, ...]:
        """Why B is not accepted, each reason once."""
        lines = [line for comparison in self.comparisons for line in comparison.failures]
        return tuple(dict.fromkeys([*lines, *self._of_integers]))

    @property
    def _of_integers(self) -> tuple[str, ...]:
        return () if self.integers is None else self.integers.failures

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the verification says little, each reason once."""
        lines = dict.fromkeys(line for comparison in self.comparisons for line in comparison.warnings)
        few = ("all items are the same, or there is one: nothing shows whether outputs depend on them",)
        return (*(few if self.alike else ()), *lines)

    @property
    def verdict(self) -> Verdict:
        """The verdict on B: that of the comparison which is worst."""
        found = {comparison.verdict for comparison in self.comparisons}
        if "failed" in found or self._of_integers:
            return "failed"
        return "says nothing" if "says nothing" in found else "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the properties."""
        return dataclasses.asdict(self) | {
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "integers": None if self.integers is None else self.integers.to_dict(),
            "passed": self.passed,
            "verdict": self.verdict,
            "failures": list(self.failures),
            "warnings": list(self.warnings),
        }

    def brief(self) -> str:
        """Return the verdict and the largest differences."""
        relative = max((each.relative for each in self.comparisons), default=0.0)
        divergence = max((each.divergence for each in self.comparisons), default=0.0)
        return f"{self.verdict}, divergence {divergence:.1e}, relative difference {relative:.1e}"

    def __str__(self) -> str:
        """Return the lines of each comparison, one for each accuracy, and the warnings."""
        lines = [f"inputs: {self.inputs}, {self.runs} runs, {self.items} items"]
        for comparison in self.comparisons:
            lines += comparison.lines()
        lines += [] if self.integers is None else self.integers.lines()
        lines += [f"{found.run}: top-1 {found.top1:.2%}, top-5 {found.top5:.2%}" for found in self.accuracies]
        return "\n".join(map(escaped, [*lines, *self.notes, *(f"warning: {line}" for line in self.warnings)]))
