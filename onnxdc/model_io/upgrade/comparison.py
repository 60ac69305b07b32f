"""Run a converted model and the one that it was, in onnxruntime on made-up inputs, and name the node that differs.

Outputs alone may hide a difference, behind a Softmax that is saturated for instance. So the outputs of the nodes that
the conversion wrote anew are compared as well; and once something differs, every value is, to find the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.feeds import Feed, attempts, input_specs, random_feed
from onnxdc.model_io.scopes import graphs_in, label
from onnxdc.model_io.upgrade.convert import Upgraded
from onnxdc.model_io.upgrade.running import CannotRunError, Runner, TooSlowError

TOLERANCE: Final = 1e-4  # of the largest value
_SCALES: Final = (1.0, 8.0)  # of the inputs: some within most bounds of Clip, and some beyond them
_RANDOM: Final = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}


def compare(after: Upgraded, model: ir.Model, where: str) -> str | None:
    """Hold a converted model against what it was.

    One session lives at a time, each runs twice, and on small inputs where the model leaves their size open.

    Args:
        after: The converted model.
        model: The same, to look its inputs up in.
        where: What to call the model in messages.

    Returns:
        Why they could not be compared; None if they were, and agree.

    Raises:
        ModelError: They differ, or onnxruntime refuses the converted model only; the error names the node.
    """
    before = after.before
    unseeded = _unseeded(before)
    if unseeded is not None:
        return f"{label(unseeded)} draws random numbers"
    outputs = [output.name for output in before.graph.output]
    watched = list(dict.fromkeys([*after.changed, *outputs]))
    try:
        original = Runner(before, watched)
        feeds, expected = _first_runs(original, model, where)
    except CannotRunError as error:
        return f"onnxruntime cannot run it as it was: {error}"
    del original
    found = _outcome(after, feeds, watched, where)
    different = _first_difference(watched, expected, found)
    if different is not None:
        raise ModelError(f"{after.cannot(where)}: {_culprit(after, feeds) or different}")
    if not any(np.isfinite(array).any() for array in _numbers(expected)):
        return "no output on made-up inputs is finite"
    return None


def _unseeded(proto: onnx.ModelProto) -> onnx.NodeProto | None:
    """Return a node whose output is another one in each run."""
    nodes = (node for graph in graphs_in(proto.graph) for node in graph.node if node.op_type in _RANDOM)
    return next((node for node in nodes if all(each.name != "seed" for each in node.attribute)), None)


def _first_runs(runner: Runner, model: ir.Model, where: str) -> tuple[list[Feed], list[list[Any]]]:
    """Return made-up inputs that the model takes, and what it makes of them."""
    try:
        specs = input_specs(model, where)
    except ModelError as error:
        raise CannotRunError(str(error)) from error
    rng = np.random.default_rng(0)
    failure = CannotRunError("no inputs could be made up")
    for attempt in attempts(specs):
        try:
            feed = random_feed(specs, attempt.first, attempt.others, rng)
            feeds = [_scaled(feed, scale) for scale in _SCALES]
            return feeds, [runner.run(each) for each in feeds]
        except TooSlowError:
            raise  # other sizes would take as long
        except (CannotRunError, ModelError) as error:
            failure = CannotRunError(str(error))
    raise failure


def _scaled(feed: Feed, scale: float) -> Feed:
    return {
        name: (array * scale).astype(array.dtype) if array.dtype.kind == "f" else array for name, array in feed.items()
    }


def _outcome(after: Upgraded, feeds: Sequence[Feed], names: Sequence[str], where: str) -> list[list[Any]]:
    try:
        runner = Runner(after.proto, names)
        return [runner.run(feed) for feed in feeds]
    except CannotRunError as error:
        raise ModelError(f"{after.cannot(where)}: onnxruntime cannot run the result: {error}") from error


def _culprit(after: Upgraded, feeds: Sequence[Feed]) -> str | None:
    """Return what is different first, with the node that it comes from; None if not all values can be looked at."""
    producers = {name: node for node in after.before.graph.node for name in node.output if name}
    kept = {name for node in after.proto.graph.node for name in node.output}
    names = [name for name in producers if name in kept]
    results = []
    try:
        for proto in (after.before, after.proto):
            runner = Runner(proto, names)
            results.append([runner.run(feed) for feed in feeds])
            del runner
    except CannotRunError:
        return None
    expected, found = results
    return _first_difference(names, expected, found, producers)


def _first_difference(
    names: Sequence[str],
    expected: Sequence[Sequence[Any]],
    found: Sequence[Sequence[Any]],
    producers: dict[str, onnx.NodeProto] | None = None,
) -> str | None:
    """Say which value is the first that differs, and by how much; ``names`` are in the order of the graph."""
    for place, name in enumerate(names):
        for a, b in zip(expected, found, strict=True):
            difference = _difference(a[place], b[place])
            if difference:
                whose = f"{label(producers[name])}: its output" if producers else name
                return f"{whose} {difference}"
    return None


def _difference(expected: Any, found: Any) -> str | None:
    """Say how two values differ, if they do: arrays, or the sequences and maps of other domains."""
    if not isinstance(expected, np.ndarray) or not isinstance(found, np.ndarray):
        parts, others = _parts(expected), _parts(found)
        if len(parts) != len(others):
            return f"has {len(others)} elements, expected {len(parts)}"
        return next((text for pair in zip(parts, others, strict=True) if (text := _difference(*pair))), None)
    if expected.dtype != found.dtype or expected.shape != found.shape:
        types = [f"{array.dtype}{list(array.shape)}" for array in (expected, found)]
        return f"is {types[1]}, expected {types[0]}"
    if expected.dtype.kind not in "fiub":
        return None if np.array_equal(expected, found) else "differs"
    a, b = expected.astype(np.float64), found.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(same, 0.0, np.abs(a - b))
    largest = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    worst = float(distance.max(initial=0.0))  # NaN where one of them is no number
    if worst <= TOLERANCE * largest:
        return None
    return f"differs by {worst / largest:.2g} of the largest value" if largest else f"differs by {worst:.2g}"


def _parts(value: Any) -> list[np.ndarray]:
    """Return the arrays in a sequence or a map."""
    if isinstance(value, dict):
        return [np.array(list(value.keys())), np.array(list(value.values()))]
    if isinstance(value, list):
        return [part for each in value for part in _parts(each)]
    return [np.asarray(value)]


def _numbers(results: Sequence[Sequence[Any]]) -> Iterator[np.ndarray]:
    """Yield the results as arrays of float64; texts count as a number."""
    for value in (value for run in results for value in run):
        for part in _parts(value):
            yield part.astype(np.float64) if part.dtype.kind in "fiub" else np.zeros(1)
