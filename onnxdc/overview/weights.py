"""Each weight of a file, looked at one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from onnxdc.domain.provenance import Provenance
from onnxdc.graph.shapes import known_shapes
from onnxdc.graph.weights import Weight
from onnxdc.numeric.energy import energy_lost
from onnxdc.numeric.picture import histogram, reach_of, value_entropy
from onnxdc.overview.again import recipe_of
from onnxdc.overview.dequantized import dequantized
from onnxdc.overview.originals import Originals
from onnxdc.passes.execution import choose
from onnxdc.report.overview import Histogram, SeenWeight
from onnxdc.report.row import WeightRow


def seen_weights(
    model: ir.Model,
    rows: Sequence[WeightRow],
    weights: Mapping[str, Weight],
    originals: Originals | None,
    made: Provenance | None,
) -> Iterator[SeenWeight]:
    """Yield what is known of each weight of a decoded model but for how long it takes.

    Args:
        model: The model.
        rows: The figures of its weights.
        weights: The weights in the model, by name.
        originals: Those of the original; None without one.
        made: How the model was made; None if that is not known.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    shapes = known_shapes(model)
    recipe = recipe_of(made)
    for row in rows:
        weight = weights.get(row.name)
        if weight is None:
            yield SeenWeight(row, entropy=row.entropy, reason=row.reason)
            continue
        reason = row.reason
        if row.execution and not row.is_integer:
            said = recipe.without_step(weight)
            integers = said.activation == "dynamic"
            chosen = choose(weight, row.density, shapes, said.execution, integers=integers)
            is_same = (chosen.sparse, chosen.dynamic) == (row.runs_sparse, row.execution == "dynamic")
            reason = chosen.reason if is_same else ""
        before = None if originals is None else originals.array(row.name, row.shape)
        yield _seen(row, weight, before, reason)


def _seen(row: WeightRow, weight: Weight, before: np.ndarray | None, reason: str) -> SeenWeight:
    entropy = row.entropy if row.is_integer or row.bits is None else value_entropy(weight.array())
    after = dequantized(weight)
    before_bytes = None if before is None else int(before.nbytes)
    if after is None or not after.size:
        return SeenWeight(row, entropy, reason=reason, before_bytes=before_bytes)
    reach = reach_of(after)
    counts = () if before is None else histogram(before, reach)
    is_finite = before is not None and bool(np.isfinite(before).all() and np.isfinite(after).all())
    change = energy_lost(np.ascontiguousarray(before), after) ** 0.5 if before is not None and is_finite else None
    return SeenWeight(row, entropy, change, Histogram(reach, counts, histogram(after, reach)), reason, before_bytes)
