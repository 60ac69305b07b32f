"""What a model may take when it is decoded: in proportion to its bytes, refused before anything is allocated."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest

import onnxdc as library
from onnxdc.domain.limits import Budget, parse_size
from onnxdc.errors import FormatError, ModelError, OptionError
from onnxdc.model_io import load
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.decode import charge_portable, decode, decode_dense_nodes, portable_memory
from tests.helpers.huge_weights import feeding, zeros
from tests.helpers.small_models import onnxdc

HUGE = feeding(zeros([1 << 15, 1 << 15]))  # 4 GB
VECTORS = Path(__file__).parents[1] / "vectors" / "good"


def never(weight: CompressedWeight) -> np.ndarray:
    raise AssertionError("decoded")


class Counting:
    """A decoder that counts what it decodes."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, weight: CompressedWeight) -> np.ndarray:
        self.calls += 1
        return decode_weight(weight)


@pytest.mark.parametrize("op_type", ["DecodeWeight", "SparseQuantMatMul"])
@pytest.mark.parametrize("verb", [library.inspect, library.decode, library.session])
def test_a_small_file_cannot_ask_for_gigabytes(tmp_path, verb, op_type):
    path = tmp_path / "huge.onnx"
    onnx.save(feeding(zeros([1 << 14, 1 << 15]), op_type=op_type), path)
    tracemalloc.start()
    with pytest.raises(
        ModelError, match=r"huge\.onnx: w0?: expected the model to take at most 256,[0-9,]+ bytes"
    ) as error:
        verb(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert f"1,000 for each of its {path.stat().st_size:,} bytes" in str(error.value)


@pytest.mark.parametrize("pass_", [decode, decode_dense_nodes])
def test_nothing_is_decoded_beyond_the_limit(pass_):
    with pytest.raises(ModelError, match="expected the model to take at most"):
        pass_(load(HUGE), decoder=never)


def test_the_limit_is_for_all_weights_together():
    budget = Budget(3 * 4 * 64 * 64)
    assert len(decode(load(feeding(zeros([64, 64]), nodes=3)), budget=budget).changes) == 3
    with pytest.raises(ModelError, match="got 65,536 up to here"):
        decode(load(feeding(zeros([64, 64]), nodes=4)), budget=Budget(budget.limit))


def test_a_group_of_many_nodes_is_decoded_once():
    decoder = Counting()
    result = decode(load(feeding(zeros([64, 64]), nodes=50)), decoder=decoder)
    assert (decoder.calls, len(result.changes)) == (1, 50)
    arrays = [value.const_value.numpy() for value in result.model.graph.initializers.values()]
    assert len(arrays) == 50
    assert len({array.__array_interface__["data"] for array in arrays}) == 1


def test_groups_of_the_same_tensors_and_other_attributes_are_two():
    proto = feeding(zeros([64, 64]), nodes=2)
    proto.graph.node[2].attribute.extend([onnx.helper.make_attribute("packet", 16)])
    decoder = Counting()
    decode(load(proto), decoder=decoder)
    assert decoder.calls == 2


def test_inspecting_keeps_no_dense_weight():
    decoder = Counting()
    model = load(feeding(zeros([64, 64]), nodes=50))
    result = decode(model, decoder=decoder, keep=False, budget=Budget(4 * 64 * 64))
    assert decoder.calls == 1
    first = next(iter(result.model.graph.initializers.values()))
    np.testing.assert_array_equal(first.const_value.numpy(), np.zeros((64, 64), np.float32))
    assert decoder.calls == 2


def test_inspect_shows_each_node_of_a_group():
    rows = library.inspect(feeding(zeros([64, 64]), nodes=3)).rows
    assert [(row.name, row.shape, row.nnz, row.execution) for row in rows] == [
        (f"w{number}", (64, 64), 0, "dense") for number in range(3)
    ]


def test_the_portable_bodies_are_charged_by_elements_and_entries():
    charge_portable(load(feeding(zeros([64, 64]))), Budget(13 * 64 * 64))
    with pytest.raises(ModelError, match="expected the model to take at most"):
        charge_portable(load(feeding(zeros([64, 64]), nodes=2)), Budget(13 * 64 * 64))


def test_the_portable_bodies_are_charged_for_whole_packets():
    """They step over 256 bytes where the file has 8."""
    model = load(VECTORS / "only_packet_cut.onnx")
    elements, entries, packets = 3 * 5, 6, 2
    exact = 13 * elements + 12 * 2 * entries + 30 * 256 * packets
    charge_portable(model, Budget(exact))
    with pytest.raises(ModelError):
        charge_portable(model, Budget(exact - 1))


@pytest.mark.parametrize("op_type", ["MatMul", "Gemm", "Conv"])
def test_the_portable_bodies_on_integers_are_charged_more(op_type: str):
    """By what opening takes: 1.3 to 2.4 times as much, of weights of 12 to 55 million elements."""
    weight = zeros([64, 64, 1] if op_type == "Conv" else [64, 64])
    proto = feeding(weight, op_type=f"SparseQuant{op_type}")
    on_floats, on_integers = (load(proto) for _ in range(2))
    on_integers.graph[0].op_type = f"SparseDynamic{op_type}"
    charge_portable(on_floats, Budget(13 * 64 * 64))
    with pytest.raises(ModelError, match="expected the model to take at most"):
        charge_portable(on_integers, Budget(round(1.3 * 13 * 64 * 64)))
    assert portable_memory(on_integers) >= 1.3 * portable_memory(on_floats)


def test_the_portable_bodies_check_nothing_so_the_charge_does():
    proto = feeding(zeros([64, 64]))
    proto.graph.initializer[0].raw_data = b"\0\x3c"  # of float16: the value of code 0 is 1
    with pytest.raises(FormatError, match="zero: the value of code 0 is not zero"):
        charge_portable(load(proto), Budget(2**30))


def test_the_command_line_raises_the_limit(tmp_path: Path):
    path = tmp_path / "some.onnx"
    onnx.save(feeding(zeros([1 << 13, 1 << 13])), path)  # 268 MB
    assert "--limit raises it for a model that you trust" in onnxdc("inspect", path).stderr
    assert onnxdc("inspect", path, "--limit", "300MB").exit_code == 0
    assert onnxdc("inspect", path, "--limit", "much").exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GB", 4 * 10**9), ("4 gb", 4 * 10**9), ("1.5KiB", 1536), ("2M", 2 * 10**6), ("7", 7), (7, 7), ("1TiB", 2**40)],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", -1, 0, "0", "0.4", True, "1e9", "4PB", "9" * 400, "٣GB", "nan", 1.5, b"4GB"]
)
def test_what_is_no_size(text):
    with pytest.raises(OptionError, match="limit: expected bytes, such as"):
        parse_size(text)
