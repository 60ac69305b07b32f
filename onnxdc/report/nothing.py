"""The error of a verb that finds nothing to do in a model: what the model is, and why its largest constants stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.skips import SkipCode
from onnxdc.graph.slots import WEIGHT_TYPES, Role, is_quantized_operator
from onnxdc.graph.walk import described, graphs, operator_name
from onnxdc.graph.weights import named_constants
from onnxdc.passes.plan import Plan
from onnxdc.report.names import label
from onnxdc.report.row import WeightRow
from onnxdc.shown import shown

_NAMED: Final = 3  # constants or operators, a choice: enough to see what kind they are, in one line
_REASON: Final = 200  # characters of a reason, a choice: it may list names of the file
_OPTIMISED_DOMAIN: Final = "com.microsoft.nchwc"  # layouts of the machine that onnxruntime has optimised the model on
# What onnxruntime's optimiser writes into a model, and no exporter does.
_OPTIMISED: Final = frozenset(
    {"FusedConv", "FusedGemm", "FusedMatMul", "FusedMatMulActivation", "NhwcConv", "NhwcMaxPool"}
)
_EXTENSIONS: Final = frozenset({"ai.onnx.contrib", "com.microsoft.extensions"})  # two names of onnxruntime-extensions
_STRINGS: Final = frozenset(
    {"StringNormalizer", "StringSplit", "StringConcat", "RegexFullMatch", "TfIdfVectorizer", "Tokenizer"}
)
_CLASSIC: Final = "ai.onnx.ml"


@dataclass(frozen=True)
class _Left:
    """A constant that stays as it is.

    Attributes:
        label: What to call it.
        size: The number of its elements.
        reason: Why it stays.
        common_reason: The reason as others may have it, too.
    """

    label: str
    size: int
    reason: str
    common_reason: str


def no_weight(plan: Plan) -> str:
    """Return what to say of a model that has no weight."""
    left = [*_skipped(plan), *_others(plan)]
    if not left:
        return f"no weight to compress{_inside(plan.model)}"
    all_small = all(skip.code is SkipCode.TOO_SMALL for skip in plan.skips) and len(left) == len(plan.skips)
    named, others = _largest(left)
    more = f" and {others} more" if others else ""
    below = ", all below min_elements" if others and all_small else ""
    return f"no weight to compress{_inside(plan.model)} ({named}){more}{below}"


def nothing_to_do(verb: str, plan: Plan, rows: Sequence[WeightRow]) -> str:
    """Return what to say of a model whose weights all stay as they are.

    Args:
        verb: What would have been done to them: ``"compress"`` or ``"encode"``.
        plan: The weights, and the constants that are none.
        rows: The weights, with the reason for each.
    """
    if not plan.having(Role.WEIGHT, Role.TABLE, Role.INTEGERS):
        return no_weight(plan)
    weights = [_Left(row.label, row.size, row.reason, row.reason) for row in rows]
    rest = [*_skipped(plan, {row.name for row in rows}), *_others(plan)]
    named, others = _largest([*weights, *rest])
    more = f"; and {others} more" if others else ""
    return f"nothing to {verb}{_inside(plan.model)}: {named}{more}"


def _largest(left: Sequence[_Left]) -> tuple[str, int]:
    """Name the largest constant of each reason, and count those that are not named."""
    by_reason: dict[str, _Left] = {}
    for each in sorted(left, key=lambda each: -each.size):
        by_reason.setdefault(each.common_reason, each)
    named = list(by_reason.values())[:_NAMED]
    text = "; ".join(f"{shown(each.label)}: {shown(each.reason, _REASON)}" for each in named)
    return text, len(left) - len(named)


def _skipped(plan: Plan, known: Collection[str] = ()) -> list[_Left]:
    """Return the constants that one might take for weights, but for those that are known."""
    return [
        _Left(label(skip.name, skip.node), skip.size, skip.reason, skip.common_reason)
        for skip in (*plan.skips, *plan.constants)
        if skip.name not in known
    ]


def _others(plan: Plan) -> Iterator[_Left]:
    """Yield the other constants of a weight's size, such as integers that no quantized operator takes."""
    told = {skip.name for skip in plan.skips} | {planned.weight.name for planned in plan.weights}
    for constant in named_constants(plan.model):
        tensor = constant_tensor(constant.value)
        if tensor is None or tensor.dtype in WEIGHT_TYPES or tensor.size < plan.recipe.min_elements:
            continue
        if constant.name not in told:
            users = list(constant.value.consumers())
            feeds = f", feeds {', '.join(_first(map(operator_name, users)))}" if users else ", not used"
            reason = f"{tensor.dtype.name.lower()}{feeds}"
            yield _Left(label(constant.name, described(users[0]) if users else ""), tensor.size, reason, reason)


def _inside(model: ir.Model) -> str:
    """Say what the file is, if it is something that has no weights of floats; empty if that is not known."""
    nodes = [node for _, graph in graphs(model) for node in graph]
    kinds = [*_made_from_another(model, nodes), *_of_another_sort(model, nodes)]
    return f" in {', and '.join(kinds)}" if kinds else ""


def _made_from_another(model: ir.Model, nodes: Sequence[ir.Node]) -> Iterator[str]:
    """Say what was done to a model that had weights."""
    quantized = [node for node in nodes if is_quantized_operator(node)]
    if quantized:
        yield f"a quantized model, with {_named(quantized)}"
    optimised = [node for node in nodes if node.domain == _OPTIMISED_DOMAIN or _is_fused(node)]
    if optimised:
        yield f"a model that onnxruntime saved after optimising it, with {_named(optimised)}"


def _of_another_sort(model: ir.Model, nodes: Sequence[ir.Node]) -> Iterator[str]:
    """Say what a model does that is no neural network."""
    strings = [node for node in nodes if node.op_type in _STRINGS or node.domain in _EXTENSIONS]
    if strings:
        yield f"a tokenizer or other preparation of data, with {_named(strings)}"
    elif any(value.dtype is ir.DataType.STRING for value in model.graph.inputs):
        yield "a tokenizer or other processing of strings"
    classic = [node for node in nodes if node.domain == _CLASSIC]
    if classic:
        yield f"a model of classic machine learning, with {_named(classic)}"


def _is_fused(node: ir.Node) -> bool:
    return node.domain == "com.microsoft" and node.op_type in _OPTIMISED


def _named(nodes: Sequence[ir.Node]) -> str:
    """Count nodes by operator, the most frequent first."""
    counts = Counter(map(operator_name, nodes)).most_common()
    more = [f"{len(counts) - _NAMED} more operators"] if len(counts) > _NAMED else []
    return ", ".join([*(f"{count} {shown(name)}" for name, count in counts[:_NAMED]), *more])


def _first(names: Iterable[str]) -> list[str]:
    """Return the first of different names."""
    return list(dict.fromkeys(names))[:_NAMED]
