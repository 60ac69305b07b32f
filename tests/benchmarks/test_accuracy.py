from __future__ import annotations

from tests.benchmarks.programs import run, run_here


def test_a_line_for_each_layer_of_a_row() -> None:
    ended = run("accuracy.py", "lenet5")

    assert (ended.code, ended.error) == (0, "")
    headings, *layers, last = ended.lines
    assert headings.split()[-1] == "scalar"
    assert [layer.split()[0] for layer in layers] == ["Conv", "Conv", "Gemm", "Gemm"]
    compared = [layer for layer in layers if "not compared" not in layer]
    assert {len(layer) for layer in compared} == {len(headings)}
    assert last.startswith(f"{len(compared)} of 4 layers compared, largest error ")


def test_an_unknown_row() -> None:
    ended = run_here("accuracy.py", "vgg19")

    assert (ended.code, ended.lines) == (2, [])
    assert "no row is called vgg19: expected alexnet_fc, " in ended.error
