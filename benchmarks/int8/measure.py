"""A quantised model, coded and uncoded: bytes, operators, bits and time, in onnxruntime alone."""

from __future__ import annotations

import gzip
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx_ir as ir

import onnxdc
from common.sessions import Feed, load
from common.turns import Timer, timer
from onnxdc.domain.operators import DECODERS, INTEGER
from onnxdc.evaluate.optimised import optimised_operators
from onnxdc.numeric.weight import TENSORS

ROUNDS: Final = 5  # in which both have a turn; their median counts
_SECONDS: Final = 0.3  # that a turn takes, about
MUST: Final = {"over": 0.015, "gzip": 0.05, "time": 1.05}
_GZIP_FROM: Final = 300_000  # bytes of files that gzip is tried on


@dataclass(frozen=True)
class Measured:
    """One kind of quantised model.

    Attributes:
        before: The bytes of the uncoded file.
        after: The bytes of the coded file.
        stripped: The bytes of the coded file without texts of exporters.
        entropy: What an ideal code of the single integers takes of those that are coded, in bytes.
        groups: What their weight groups take.
        packed: The bytes of the stripped file after gzip -9.
        lost: The operators that are not as often in the optimised graph as before, in words.
        is_equal: Whether all outputs are the same bits.
        ratio: The time of a run over that of the uncoded model.
    """

    before: int
    after: int
    stripped: int
    entropy: float
    groups: int
    packed: int
    lost: str
    is_equal: bool
    ratio: float

    @property
    def over(self) -> float:
        """By how much the file is larger than with an ideal code of the single integers, all else being the same."""
        return (self.groups - self.entropy) / (self.after - self.groups + self.entropy)

    @property
    def gained(self) -> float:
        """What gzip takes off the stripped file."""
        return 1 - self.packed / self.stripped

    @property
    def missed(self) -> list[str]:
        """What must hold and does not."""
        held = {
            "operators": not self.lost,
            "bits": self.is_equal,
            "over": self.over <= MUST["over"],
            "gzip": self.stripped < _GZIP_FROM or self.gained <= MUST["gzip"],
            "time": self.ratio <= MUST["time"],
        }
        return [name for name, holds in held.items() if not holds]


def measure(path: Path, coded: Path, feeds: Sequence[Feed]) -> Measured:
    """Code a model and hold the file against the original.

    Args:
        path: The model.
        coded: Where the coded one goes.
        feeds: Inputs; the first one is timed.
    """
    content = strip(path)
    result = onnxdc.encode(path)
    result.save(coded)
    integers = [row for row in result.report.rows if row.is_integer and row.encoded_bytes is not None]
    sessions = [load(each, "portable", threads=1) for each in (path, coded)]
    outputs = [[array for feed in feeds for array in session.run(None, feed)] for session in sessions]
    return Measured(
        before=path.stat().st_size,
        after=coded.stat().st_size,
        stripped=len(content),
        entropy=sum((row.entropy or 0.0) * row.size / 8 for row in integers),
        groups=group_bytes(coded),
        packed=len(gzip.compress(content, 9)),
        lost=difference(optimised_operators(path), optimised_operators(coded)),
        is_equal=all(a.tobytes() == b.tobytes() for a, b in zip(*outputs, strict=True)),
        ratio=time_ratio([timer(session, feeds[0], time.process_time) for session in sessions]),
    )


def strip(path: Path) -> bytes:
    """Return the coded file without texts of exporters."""
    return bytes(onnxdc.encode(path, strip=True, check=False).to_proto().SerializeToString())


def group_bytes(path: Path) -> int:
    """Return what the weight groups of integers take in a file, tensors that some have together once."""
    tensors = {
        value: _stored_bytes(value.const_value)
        for graph in ir.load(path).graphs()
        for node in graph
        if node.op_type in DECODERS and node.op_type.endswith(INTEGER)
        for value in node.inputs[: len(TENSORS)]
        if value is not None and value.const_value is not None
    }
    return sum(tensors.values())


def _stored_bytes(tensor: ir.TensorProtocol) -> int:
    """Return the bytes of the elements of a tensor in a file: those of an extent, int64, take a byte or two each."""
    proto = ir.serde.serialize_tensor(tensor)
    return sum(max(1, -(-number.bit_length() // 7)) for number in proto.int64_data) or int(tensor.nbytes)


def difference(before: Counter[str], after: Counter[str]) -> str:
    """Return the operators of which there are not as many, in words."""
    names = [name for name in dict.fromkeys([*before, *after]) if before[name] != after[name]]
    return ", ".join(f"{name} {before[name]} -> {after[name]}" for name in names)


def time_ratio(timers: Sequence[Timer]) -> float:
    """Return the median over rounds of the time of the second model over that of the first; both have turns."""
    first, second = timers
    runs = max(2, int(_SECONDS / max(first(2), 1e-6)))
    second(2)
    return statistics.median([second(runs) / first(runs) for _ in range(ROUNDS)])
