"""The energy of a run by the account of the paper, for the weights of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnxdc.numeric.joules import DRAM, SRAM, computing, fetching
from onnxdc.report.overview import Energy, EnergyUse, SeenWeight


def energy_of(
    weights: Sequence[SeenWeight], elements: Mapping[str, int], products_of: Mapping[str, int], inputs: str
) -> Energy | None:
    """Return what a run takes dense from DRAM, and compressed from DRAM and from SRAM; None if nothing was counted.

    Each weight is fetched once, of a table only the rows that are looked up. Zeros of a sparse layer are skipped. What
    activations and everything else take is not counted.

    Args:
        weights: The weights.
        elements: The elements that the nodes of each weight put out.
        products_of: The products that make one of them, see ``graph/products.py``.
        inputs: What inputs the run has, in words.
    """
    products = skipped = not_counted = 0
    dense = small = 0.0
    for weight in weights:
        row, put_out = weight.row, elements.get(weight.row.name, 0)
        share = min(1.0, put_out / row.size) if row.kind == "embedding" and row.size else 1.0
        dense += share * (row.dense_bytes if weight.before_bytes is None else weight.before_bytes)
        small += share * row.stored_bytes
        if row.kind == "embedding":
            continue
        own = put_out * products_of.get(row.name, 0)
        not_counted += not own and row.kind != "other"
        products += own
        skipped += round(own * (1 - row.density)) if row.runs_sparse else 0
    if not elements or not dense:
        return None
    is_integer = any(weight.row.is_integer for weight in weights)
    left = None if is_integer else computing(products - skipped)
    uses = (
        EnergyUse("dense, weights from DRAM", fetching(dense, DRAM), computing(products)),
        EnergyUse("this file, weights from DRAM", fetching(small, DRAM), left),
        EnergyUse("this file, weights from SRAM", fetching(small, SRAM), left),
    )
    return Energy(uses, products, not_counted, inputs)
