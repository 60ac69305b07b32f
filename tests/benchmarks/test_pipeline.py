from __future__ import annotations

from tests.benchmarks.programs import refused, run


def test_two_small_layers() -> None:
    ended = run("pipeline.py", "--only", "conv1_2", "conv1_1", "--runs", "1")

    assert (ended.code, ended.error) == (0, "")
    headings, *layers, total, kmeans, ours, theirs, seconds, memory, ratio = ended.lines
    assert headings.split() == ["layer", "elements", "density", "prune", "share", "encode", "bytes", "ratio"]
    assert [layer.split()[:3] for layer in layers] == [["conv1_1", "1728", "0.33"], ["conv1_2", "36864", "0.33"]]
    assert total.split()[0] == "all"
    assert kmeans == "k-means of 12165 nonzeros of conv1_2, 32 clusters, median of 1"
    beginnings = ("  onnxdc ", "  scikit-learn ", "pipeline ", "peak memory ", "k-means ratio ")
    for line, beginning in zip((ours, theirs, seconds, memory, ratio), beginnings, strict=True):
        assert line.startswith(beginning)


def test_an_unknown_layer() -> None:
    assert refused("pipeline.py", "--only", "fc9").startswith("layers fc9: expected some of conv1_1, conv1_2, ")


def test_without_scikit_learn() -> None:
    text = refused("pipeline.py", "--only", "conv1_1", without=["sklearn"])

    assert text == "scikit-learn: pip install --editable '.[test]'"
