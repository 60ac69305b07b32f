"""Models with nothing to compress: the error says in one line what they are, and why their largest constants stay."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxdc
from onnxdc.errors import ModelError
from onnxdc.report.names import label, says_nothing
from tests.helpers.small_models import dense, saved
from tests.helpers.small_models import onnxdc as command
from tests.helpers.text_models import build, normal


def refusal(model: ir.Model | Path, **options: object) -> str:
    """What compress says of a model, in one line."""
    with pytest.raises(ModelError) as caught:
        onnxdc.compress(model, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix("model: ")


def with_nodes(nodes: list[onnx.NodeProto], opsets: dict[str, int], **arrays: np.ndarray) -> ir.Model:
    """A model of these nodes, from ``x`` to ``y``."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    imports = [helper.make_opsetid(domain, version) for domain, version in {"": 17, **opsets}.items()]
    return ir.from_proto(helper.make_model(graph, opset_imports=imports, ir_version=8))


def int8() -> ir.Model:
    """Two quantized matrix products, the second one larger."""
    return build(
        """
        g (uint8[N, 64] x) => (int32[N, 128] y) {
            h = MatMulInteger(x, small)
            c = Cast<to: int = 2>(h)
            y = MatMulInteger(c, large)
        }
        """,
        small=np.random.default_rng(0).integers(-40, 40, (64, 64), np.int8),
        large=np.random.default_rng(1).integers(90, 170, (64, 128), np.uint8),
    )


def test_a_quantized_model_is_called_so_and_the_figures_say_why_it_would_not_get_smaller():
    line = refusal(int8())
    assert line.startswith(
        "nothing to compress in a quantized model, with 2 MatMulInteger: large: the model would not "
    )
    saved, cost = re.search(
        r"saves ([0-9,]+) bytes of weights, and the functions that decode them take (.+)", line
    ).groups()
    assert int(saved.replace(",", "")) < int(cost.split(";")[0].replace(",", ""))


@pytest.mark.parametrize("verb", [onnxdc.prune, onnxdc.share])
def test_stages_that_change_values_say_that_integers_are_ones(verb):
    with pytest.raises(ModelError) as caught:
        verb(int8(), **({"density": 0.5} if verb is onnxdc.prune else {}))
    assert str(caught.value) == (
        "model: no weight to compress in a quantized model, with 2 MatMulInteger "
        "(large: already uint8, feeds MatMulInteger; small: already int8, feeds MatMulInteger)"
    )


def test_operators_of_other_domains_are_named_with_the_domain():
    node = helper.make_node("MatMulNBits", ["x", "q", "s"], ["y"], domain="com.microsoft", K=64, N=64, bits=4)
    arrays = {"q": np.random.default_rng(0).integers(0, 256, (64, 2, 16), np.uint8), "s": np.ones(128, np.float32)}
    line = refusal(with_nodes([node], {"com.microsoft": 1}, **arrays))
    assert line.startswith("nothing to compress in a quantized model, with 1 com.microsoft.MatMulNBits: q: ")
    assert line.endswith("; s: 128 elements, fewer than 256")


def test_a_model_that_onnxruntime_optimised_for_a_machine_is_called_so():
    domain = "com.microsoft.nchwc"
    pools = [helper.make_node("MaxPool", [f"x{i}" if i else "x"], [f"x{i + 1}"], domain=domain) for i in range(3)]
    last = helper.make_node("ReorderOutput", ["x3", "W"], ["y"], domain=domain)
    line = refusal(with_nodes([*pools, last], {domain: 1}, W=normal(16, 16, 3, 3)))
    assert line == (
        "no weight to compress in a model that onnxruntime saved after optimising it, "
        "with 3 com.microsoft.nchwc.MaxPool, 1 com.microsoft.nchwc.ReorderOutput "
        "(W: not a weight, feeds com.microsoft.nchwc.ReorderOutput)"
    )


def test_a_tokenizer_is_called_so():
    model = build(
        'g (string[N] text) => (string[M] y) { y = StringNormalizer<case_change_action: string = "LOWER">(text) }'
    )
    assert refusal(model) == (
        "no weight to compress in a tokenizer or other preparation of data, with 1 StringNormalizer"
    )


def test_operators_of_onnxruntime_extensions_are_named():
    node = helper.make_node("BertTokenizer", ["x"], ["y"], domain="ai.onnx.contrib", vocab_file="[UNK]")
    line = refusal(with_nodes([node], {"ai.onnx.contrib": 1}))
    assert line.endswith("in a tokenizer or other preparation of data, with 1 ai.onnx.contrib.BertTokenizer")


def test_a_model_that_takes_texts_is_called_so():
    model = build("g (string[N] text) => (bool[N] y) { y = Equal(text, text) }", opset=19)
    assert refusal(model) == "no weight to compress in a tokenizer or other processing of strings"


def test_trees_are_called_so():
    node = helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml", norm="L2")
    line = refusal(with_nodes([node], {"ai.onnx.ml": 3}))
    assert line == "no weight to compress in a model of classic machine learning, with 1 ai.onnx.ml.Normalizer"


def test_weights_below_the_smallest_size_are_counted_and_the_largest_is_named():
    assert refusal(dense(), min_elements=9999) == (
        "no weight to compress (fc1: 3360 elements, fewer than 9999) and 2 more, all below min_elements"
    )


def test_constants_of_other_types_are_named_too():
    model = build("g (int32[N, 20] x) => (int32[N, 20] y) { y = Mul(x, table) }", table=np.ones((20, 20), np.int32))
    assert refusal(model) == "no weight to compress (table: int32, feeds Mul)"


def test_at_most_three_are_named_the_largest_first():
    users = ["Abs", "Neg", "Exp", "Ceil", "Floor"]
    nodes = [helper.make_node(user, [f"w{i}"], [f"y{i}" if i else "y"]) for i, user in enumerate(users)]
    arrays = {f"w{i}": normal(300 + i) for i in range(5)}
    assert refusal(with_nodes(nodes, {}, **arrays)) == (
        "no weight to compress (w4: not a weight, feeds Floor; w3: not a weight, feeds Ceil; "
        "w2: not a weight, feeds Exp) and 2 more"
    )


def test_a_model_whose_weights_all_stay_names_the_rest_too():
    model = build(
        """
        g (uint8[N, 64] x) => (float[N, 4] y) {
            h = MatMulInteger(x, q)
            f = Cast<to: int = 1>(h)
            y = MatMul(f, w)
        }
        """,
        q=np.ones((64, 64), np.int8),
        w=normal(64, 4),
    )
    line = refusal(model, sharing="kmeans")
    assert line.startswith("nothing to compress in a quantized model, with 1 MatMulInteger: ")
    assert "q: the model would not get smaller: coding saves " in line
    assert "w: encoding would not make its 1024 bytes fewer: they would take " in line


def test_encode_names_the_largest_weight_first():
    with pytest.raises(ModelError, match=r"nothing to encode: fc1: .*; fc2: .*share its values first"):
        onnxdc.encode(dense())


def test_the_command_says_it_in_one_line(tmp_path):
    result = command("compress", saved(int8(), tmp_path / "int8.onnx"), "-o", tmp_path / "out.onnx", "-q")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"onnxdc: error: {tmp_path}/int8.onnx: nothing to compress in a quantized model")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "onnx::Conv_30",
            "onnx::MatMul_1234",
            "onnx::Conv_30#2",
            "val_86",
            "_val_86",
            "30",
            "",
            "unnamed",
            "unnamed#2",
        ),
        *("const_fold_opt__12", "Constant_7_output_0", "initializer_3", "reorder_token_34"),
    ],
)
def test_names_that_say_nothing(name):
    assert says_nothing(name)
    assert label(name, "Conv conv1") == f"{name} (Conv conv1)"
    assert label(name, "") == name


@pytest.mark.parametrize(
    "name", ["fc1", "W", "conv1.weight", "value_embedding", "layer.30", "t", "h2o", "/enc/Constant_3"]
)
def test_names_that_say_something(name):
    assert not says_nothing(name)
    assert label(name, "Conv conv1") == name


def exported() -> ir.Model:
    """A convolution whose constants have names as torch.onnx makes them up."""
    nodes = [
        helper.make_node("Conv", ["x", "onnx::Conv_30", "onnx::Conv_31"], ["y"], name="/conv1/Conv"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(normal(32, 16, 3, 3), "onnx::Conv_30"),
            numpy_helper.from_array(normal(32), "onnx::Conv_31"),
        ],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def test_tables_notes_and_errors_show_the_node_of_a_name_that_says_nothing():
    report = onnxdc.compress(exported(), execution="dense").report
    lines = str(report).splitlines()
    assert lines[1].startswith("onnx::Conv_30 (Conv /conv1/Conv)  conv ")
    assert any(line.startswith("onnx::Conv_30 (Conv /conv1/Conv): dense") for line in lines)
    assert "unchanged: onnx::Conv_31 (Conv /conv1/Conv): fewer than 256 elements" in lines
    expected = "(onnx::Conv_30 (Conv /conv1/Conv): 4608 elements, fewer than 9999)"
    assert expected in refusal(exported(), min_elements=9999)


def test_json_keeps_names_and_has_the_node_in_a_key_of_its_own():
    found = onnxdc.compress(exported()).report.to_dict()
    assert (found["weights"][0]["name"], found["weights"][0]["node"]) == ("onnx::Conv_30", "Conv /conv1/Conv")
    assert found["skips"] == [
        {"name": "onnx::Conv_31", "reason": "32 elements, fewer than 256", "node": "Conv /conv1/Conv"}
    ]


def test_a_weight_that_a_stage_leaves_is_shown_with_its_node():
    recipe = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="onnx*", skip=True),))
    notes = onnxdc.share(exported(), recipe).report.notes()
    assert "unchanged: onnx::Conv_30 (Conv /conv1/Conv): left alone by the recipe" in notes
