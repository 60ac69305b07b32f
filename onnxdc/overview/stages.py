"""The bytes of a file by stage: what each stage of the paper leaves of the original."""

from __future__ import annotations

from collections.abc import Sequence

from onnxdc.report.overview import Part, SeenWeight
from onnxdc.report.row import total_row


def stages_of(weights: Sequence[SeenWeight], nbytes: int, original_bytes: int | None) -> tuple[Part, ...]:
    """Return what is left after each stage, from the original, or else the dense weights, to the file.

    A stage that leaves as many bytes as the one before is left out. What is no weight, such as nodes and portable
    functions, changes in the stage before the last.

    Args:
        weights: The weights of the file.
        nbytes: The bytes of the file.
        original_bytes: The bytes of the original; None without one.
    """
    total = total_row(tuple(weight.row for weight in weights))
    start = sum(weight.row.dense_bytes if weight.before_bytes is None else weight.before_bytes for weight in weights)
    pruned = min(total.pruned_bytes, total.dense_bytes)
    shared = pruned if total.shared_bytes is None else total.shared_bytes
    stored = sum(weight.row.stored_bytes for weight in weights)
    rest = 0 if original_bytes is None else original_bytes - start
    first = Part("dense weights", start) if original_bytes is None else Part("original file", original_bytes)
    after = [
        ("fewer bits an element", total.dense_bytes),
        ("pruning", pruned),
        ("sharing", shared),
        ("Huffman coding", stored),
    ]
    stages = [first]
    for name, left in after:
        if left + rest != stages[-1].nbytes:
            stages.append(Part(name, left + rest))
    if nbytes != stages[-1].nbytes:
        stages.append(Part("everything else" if original_bytes is None else "folding, functions, names", nbytes))
    return (*stages, Part("this file", nbytes))
