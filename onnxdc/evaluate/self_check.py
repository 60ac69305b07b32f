"""Run what was encoded against what it was encoded from, before anybody says that it is done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxdc import model_io
from onnxdc.domain.compressed import computes_with_integers
from onnxdc.domain.limits import Budget
from onnxdc.errors import ModelError
from onnxdc.evaluate.comparing import AGREEMENT_OF_INTEGERS
from onnxdc.evaluate.inputs import made_up_feeds
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.optimised import optimised_operators
from onnxdc.evaluate.runner import Runner, session_options
from onnxdc.graph.constants import constant_with_nan
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed, input_specs
from onnxdc.passes.decode import charge_portable, has_integers
from onnxdc.report.integer_check import lost_operators
from onnxdc.runtime import session, why_not_native
from onnxdc.runtime.ort import onnxruntime
from onnxdc.shown import shown

_CLOSE: Final = 1e-4  # relative to the largest output: sums in another order, as between native and portable runs
_SENSITIVE: Final = 10  # times the difference that onnxruntime's own optimisations make in the original
_MOVED: Final = 0.9  # root mean square over that of an output: as docs/verify.md has it for relative MSE, its square
_PORTABLE_BYTES: Final = 2 * 10**9  # what opening the portable bodies may take
_SEED: Final = 0
_UNSEEN: Final = "which a pruned weight does not see"  # the rule of the README's limits
_INTEGER_LAYERS: Final = frozenset(
    {"ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat"}
    | {"QGemm", "QLinearConv", "QLinearMatMul"}
)


def check_encoded(before: ir.Model, after: ir.Model, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> list[str]:
    """Run an encoded model natively and portably, and the model that it was encoded from, on made-up inputs.

    Args:
        before: The model before it was encoded.
        after: The encoded model.
        custom_ops: Libraries of somebody's own operators that the models need.

    Returns:
        What could not be run or compared and why, by how much layers on integers move outputs, and which operators on
        integers are lost, a sentence each; empty if both ways were run and agree. A NaN reaches only the outputs that
        have a nonzero weight for it in a native run, and all of them in any other.

    Raises:
        ModelError: onnxruntime takes the original and not what became of it, or the two differ by more than rounding.
    """
    try:
        reference = _runner("the original", before, custom_ops)
        feeds = made_up_feeds(input_specs(before, "the original"), reference, _SEED)[:1]
        expected = _outputs(reference, feeds)
        del reference
    except ModelError as error:
        return [f"not checked: {error}"]
    tolerance = None
    left_out = []
    rounds = computes_with_integers(after)
    moved: list[float | None] = []
    runs: list[Sequence[np.ndarray]] = []
    for name, native in (("natively", True), ("portably", False)):
        reason = _why_not(after, native)
        if reason is not None:
            left_out.append(f"not checked {name}: {reason}")
            continue
        found = _outputs(_runner(f"encoded, {name}", after, custom_ops, native=native), feeds)
        lost = _lost_nan(expected, found) if native else 0
        if lost:
            left_out.append(f"not checked natively: {lost:,} elements of outputs are NaN in the original, {_UNSEEN}")
            found = [_with_nan_of(a, b) for a, b in zip(expected, found, strict=True)]
        if rounds:
            moved.append(_movement(expected, found))
            runs.append(found)
            continue
        difference = _difference(expected, found)
        if difference > _CLOSE:
            tolerance = _own_difference(before, custom_ops, feeds, expected) if tolerance is None else tolerance
            if difference > _SENSITIVE * tolerance:
                constant = constant_with_nan(before) if native else None
                if constant is not None:
                    left_out.append(f"not checked natively: {shown(constant)} holds a NaN, {_UNSEEN}")
                    continue
                raise ModelError(
                    f"what was encoded differs, run {name}: expected outputs within {_CLOSE:g} of the largest, "
                    f"got {difference:.1e}; please report it"
                )
    if len(runs) == 2 and (apart := _apart(expected, *runs)) > AGREEMENT_OF_INTEGERS:
        raise ModelError(
            "what was encoded differs, run natively and portably: expected outputs within "
            f"{AGREEMENT_OF_INTEGERS:g} of the largest, got {apart:.1e}; please report it"
        )
    woken = max((_no_longer_zeros(expected, found) for found in runs), default=0)
    return [*left_out, *_told_of_integers(moved, woken), *_lost(before, after, custom_ops)]


def made_up_divergence(before: Source, after: ir.Model, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> list[str]:
    """Run a model that was changed and the one that it was made of on made-up inputs, and tell their divergence.

    Args:
        before: The model before.
        after: The model after.
        custom_ops: Libraries of somebody's own operators that the models need.

    Raises:
        ModelError: onnxruntime takes the one before and not the other.
    """
    original = model_io.load(before, upgrade=False)
    try:
        reference = _runner("the original", original, custom_ops)
        feeds = made_up_feeds(input_specs(original, "the original"), reference, _SEED)[:1]
        judge = Judge(original, feeds, custom_ops=custom_ops)
    except ModelError as error:
        return [f"not checked: {error}"]
    return [f"f {judge.divergence(after):.3g} on made-up inputs"]


def integer_layers(model: ir.Model, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> int:
    """Return how many layers of a model onnxruntime runs on integers.

    Raises:
        ModelError: onnxruntime refuses it.
    """
    counts = optimised_operators(model, custom_ops, 2**62)
    return sum(count for name, count in counts.items() if name.removeprefix("com.microsoft.") in _INTEGER_LAYERS)


def _lost(before: ir.Model, after: ir.Model, custom_ops: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Say which operators on integers onnxruntime does not make of a quantised model any more once it is coded."""
    if not has_integers(after) or _why_not(after, native=False) is not None:
        return []
    try:
        counts = [optimised_operators(model, custom_ops, 2**62) for model in (before, after)]
    except ModelError as error:  # both run, but onnxruntime does not write down what it made of one
        return [f"operators of the optimised graphs not counted: {error}"]
    return [f"onnxruntime alone runs fewer {text}: it may be slower" for text in lost_operators(*counts)]


def _runner(
    name: str,
    model: ir.Model,
    custom_ops: Sequence[str | os.PathLike[str]],
    *,
    native: bool = False,
    optimised: bool = True,
) -> Runner:
    """Create a session of a model; its memory is bounded by what the caller has built already."""
    options = session_options(custom_ops)
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return Runner(name, session(model, native=native, sess_options=options, limit=2**62))


def _outputs(runner: Runner, feeds: Sequence[Feed]) -> list[np.ndarray]:
    return [output for feed in feeds for output in runner.run(feed)]


def _why_not(model: ir.Model, native: bool) -> str | None:
    """Why a way of running is left out, None if it is not."""
    if native:
        return why_not_native()
    try:
        charge_portable(model, Budget(_PORTABLE_BYTES))
    except ModelError:
        return f"onnxruntime alone would take more than {_PORTABLE_BYTES / 1e9:.0f} GB to open it"
    return None


def _difference(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """Return the largest difference of all outputs, relative to the largest finite value; inf for other shapes."""
    return max((_relative(a, b) for a, b in zip(expected, found, strict=True)), default=0.0)


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape or a.dtype.kind in "OSU":
        return 0.0 if np.array_equal(a, b) else np.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(a - b))
    largest = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    worst = float(np.nan_to_num(distance, nan=np.inf).max(initial=0.0))
    return worst / largest if largest and np.isfinite(worst) else worst


def _lost_nan(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> int:
    """Return how many elements are NaN in the original and numbers in what was encoded, as kernels skip zeros."""
    return sum(int((_nan(a) & ~_nan(b)).sum()) for a, b in zip(expected, found, strict=True) if a.shape == b.shape)


def _with_nan_of(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return what was found with NaN where it is expected, so that these elements count as equal."""
    return np.where(_nan(expected), expected, found) if expected.shape == found.shape else found


def _nan(array: np.ndarray) -> NDArray[np.bool_]:
    """Return which elements are NaN; only floats can be, bfloat16 among them."""
    return np.isnan(array) if array.dtype.kind in "fV" else np.zeros(array.shape, np.bool_)


def _movement(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float | None:
    """Return the root mean square of the differences over that of the output, the largest of all outputs of floats.

    None if there is nothing to compare: no output of floats has a finite element, or as many as before, where that
    depends on the inputs, or only zeros of which something else became, see ``_no_longer_zeros``.
    """
    pairs = [(size, change) for size, change in _changes(expected, found) if size or change in (0.0, np.inf)]
    return max(((change / size if size else change) ** 0.5 for size, change in pairs), default=None)


def _no_longer_zeros(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> int:
    """Return how many outputs were all zeros and are other numbers now: there is no share by which they have moved."""
    return sum(not size and 0 < change < np.inf for size, change in _changes(expected, found))


def _changes(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Iterator[tuple[float, float]]:
    """Yield the sum of squares of each output that can be compared, and that of its differences."""
    for a, b in zip(expected, found, strict=True):
        if a.ndim != b.ndim:
            yield 0.0, np.inf
        if a.dtype.kind not in "fV" or a.shape != b.shape:
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        known = np.isfinite(a)
        if known.any():
            change = np.square(np.nan_to_num(b - a, nan=np.inf)[known]).sum()
            yield float(np.square(a[known]).sum()), float(change)


def _apart(expected: Sequence[np.ndarray], native: Sequence[np.ndarray], portable: Sequence[np.ndarray]) -> float:
    """Return ``_difference`` of two runs, where numbers are expected and their number does not depend on the inputs."""
    pairs = [(_with_nan_of(e, a), _with_nan_of(e, b)) for e, a, b in zip(expected, native, portable, strict=True)]
    kept = [pair for pair in pairs if pair[0].dtype.kind in "fV" and pair[0].shape == pair[1].shape]
    return _difference([a for a, _ in kept], [b for _, b in kept])


def _told_of_integers(movements: Sequence[float | None], woken: int) -> list[str]:
    """Say by how much layers on integers move the outputs; nothing if they were not run.

    Args:
        movements: By how much, in each run; None where nothing can be compared.
        woken: How many outputs were all zeros before.

    Raises:
        ModelError: By so much that nothing is left of the outputs.
    """
    moved = [movement for movement in movements if movement is not None]
    told = [f"layers on integers: of the outputs {woken} were zeros for made-up inputs, and are not any more"]
    told = told if woken else []
    if not moved:
        nothing = [] if told else ["layers on integers: no output for made-up inputs can be compared"]
        return [*told, *nothing] if movements else []
    largest = max(moved)
    if largest > _MOVED:
        raise ModelError(
            f"layers on integers: expected outputs for made-up inputs to move by at most {_MOVED:.0%}, "
            f"got {largest:.0%}; activation = float leaves them as they are"
        )
    return [f"layers on integers: outputs for made-up inputs move by {largest:.2%}", *told]


def _own_difference(
    model: ir.Model, custom_ops: Sequence[str | os.PathLike[str]], feeds: Sequence[Feed], expected: Sequence[np.ndarray]
) -> float:
    """How far the original is from itself if nothing is optimised: rounding alone may move what is chosen."""
    return _difference(expected, _outputs(_runner("the original", model, custom_ops, optimised=False), feeds))
