"""The command line: flags reach the library, and exit codes, streams and messages are as promised."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from click.testing import CliRunner

from onnxdc import api
from onnxdc.cli import cli, output
from tests.helpers.few_values import weight
from tests.helpers.small_models import CNN, DIGITS, LENET, constants, dense, onnxdc, report_of, saved
from tests.helpers.text_models import build, normal

COMMAND = [sys.executable, "-m", "onnxdc"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(dense(), tmp_path / "dense.onnx")


@pytest.fixture
def small(model: Path) -> Path:
    path = model.with_name("small.onnx")
    assert onnxdc("compress", model, "-o", path, "--density", "0.1", "-q").exit_code == 0
    return path


def test_compress_prints_a_table_and_tells_its_progress_on_stderr(model):
    result = onnxdc("compress", model, "-o", model.with_name("out.onnx"), "--density", "0.1")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split()[:4] == ["weight", "kind", "shape", "density"]
    assert result.stderr.splitlines() == ["prune 2/2", "share 2/2", "encode 2/2"]
    assert f"-> {model.with_name('out.onnx').stat().st_size:,} bytes" in result.stdout


def test_a_long_stage_tells_its_progress_every_ten_seconds(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 11.0, 12.0, 22.0, 23.0])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with output.progress(quiet=False) as tell:
        for done in range(1, 6):
            tell("share", f"w{done}", done, 5)
    assert capsys.readouterr().err.splitlines() == ["share 2/5 w2", "share 4/5 w4", "share 5/5"]


def test_force_encodes_what_does_not_get_smaller(model):
    small = saved(
        build("g (float[N, 16] x) => (float[N, 18] y) { y = MatMul(x, W) }", W=weight(16, 18, density=0.2, values=99)),
        model,
    )
    output_file = small.with_name("out.onnx")
    plain = onnxdc("encode", small, "-o", output_file)
    forced = onnxdc("encode", small, "-o", output_file, "--force")
    assert (plain.exit_code, forced.exit_code) == (1, 0)
    assert "the model would not get smaller" in plain.stderr
    assert output_file.stat().st_size > small.stat().st_size


def test_verbose_names_what_is_only_counted(tmp_path):
    layers = "".join(f"h{i} = MatMul(x{i}, w{i}) x{i + 1} = Add(h{i}, b{i}) " for i in range(5))
    arrays = {f"w{i}": normal(64, 64, seed=i) for i in range(5)} | {f"b{i}": normal(64) for i in range(5)}
    graph = f"g (float[N, 64] x0) => (float[N, 64] y) {{ {layers} y = Relu(x5) }}"
    file = saved(build(graph, **arrays), tmp_path / "model.onnx")
    brief = onnxdc("compress", file, "-o", tmp_path / "out.onnx").stdout
    verbose = onnxdc("compress", file, "-o", tmp_path / "out.onnx", "--verbose").stdout
    assert "folded: 5 Add and the MatMul before it into Gemm" in brief.splitlines()
    assert "unchanged: b0, b1, b2 and 2 more: fewer than 256 elements" in brief.splitlines()
    assert sum(line.startswith("folded: ") for line in verbose.splitlines()) == 5
    assert "unchanged: b0, b1, b2, b3, b4: fewer than 256 elements" in verbose.splitlines()


def test_quiet_prints_nothing(model):
    result = onnxdc("compress", model, "-o", model.with_name("out.onnx"), "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_the_stages_one_by_one_are_compress(model):
    folder = model.parent
    for stage, source, options in (
        ("prune", "dense", ["--density", "0.1"]),
        ("share", "prune", ["--bits", "4"]),
        ("encode", "share", []),
        ("decode", "encode", []),
    ):
        assert onnxdc(stage, folder / f"{source}.onnx", "-o", folder / f"{stage}.onnx", *options).exit_code == 0
    options = ["--density", "0.1", "--bits", "4", "--no-fold"]
    assert onnxdc("compress", model, "-o", folder / "all.onnx", *options).exit_code == 0
    at_once, one_by_one = onnx.load(folder / "all.onnx"), onnx.load(folder / "encode.onnx")
    assert at_once.metadata_props.pop().key == one_by_one.metadata_props.pop().key == "onnxdc.recipe"
    assert at_once == one_by_one
    assert (folder / "decode.onnx").read_bytes() == (folder / "share.onnx").read_bytes()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"density": 0.2}, 0.2),
        ({"threshold": 1.0}, np.mean(np.abs(constants(dense())["fc1"]) >= 1.0)),
        ({"quality": 1.5}, np.mean(np.abs(constants(dense())["fc1"]) >= 1.5 * constants(dense())["fc1"].std())),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_way_to_prune_keeps_what_it_says(model, options, expected):
    arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
    report = report_of(onnxdc("prune", model, "-o", model.with_name("out.onnx"), "--json", *arguments))
    assert report["weights"][0]["density"] == pytest.approx(expected, abs=1e-3)


def test_a_global_density_ranks_the_weights_together(model):
    arguments = ["--json", "--global-density", 0.3]
    report = report_of(onnxdc("prune", model, "-o", model.with_name("out.onnx"), *arguments))
    assert report["total"]["density"] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_sharing_options_reach_the_weights(model, init):
    out = model.with_name("out.onnx")
    arguments = ["--sharing", "kmeans", "--bits", 3, "--init", init, "--groups", 2, "--seed", 5]
    assert onnxdc("share", model, "-o", out, *arguments).exit_code == 0
    halves = np.split(constants(ir.load(out))["fc1"], 2, axis=1)
    assert [np.unique(half).size for half in halves] == [7, 7]


def test_encoding_options_reach_the_weights(model):
    out = model.with_name("out.onnx")
    arguments = ["--density", 0.05, "--index-bits", 3, "--execution", "dense", "--min-elements", 1000, "--json"]
    (row,) = report_of(onnxdc("compress", model, "-o", out, *arguments))["weights"]
    assert (row["name"], row["index_bits"], row["execution"]) == ("fc1", 3, "dense")


@pytest.mark.parametrize(("arguments", "fused"), [((), "Relu"), (("--no-fuse",), "")])
def test_fusing_can_be_switched_off(tmp_path, arguments, fused):
    report = report_of(onnxdc("compress", LENET, "-o", tmp_path / "out.onnx", "--density", 0.05, "--json", *arguments))
    assert [row["fused"] for row in report["weights"]] == [fused, fused, ""]


def test_texts_of_an_exporter_are_named_and_stripped(model):
    proto = onnx.load(model)
    for node in proto.graph.node:
        node.doc_string = f"{node.op_type}\n" * 1000
    onnx.save(proto, model)
    output_file = model.with_name("out.onnx")
    told = onnxdc("compress", model, "-o", output_file).stdout
    size = output_file.stat().st_size
    (line,) = (line for line in told.splitlines() if line.startswith("--strip would drop"))
    dropped = int(line.split()[3].replace(",", ""))
    assert line == f"--strip would drop {dropped:,} bytes of exporter texts ({100 * dropped / size:.0f} % of the file)"
    told = onnxdc("compress", model, "-o", output_file, "--strip").stdout
    assert "--strip would drop" not in told
    assert "stripped: " in told
    assert abs(size - dropped - output_file.stat().st_size) < 100


def test_inspect_says_how_a_model_was_made(model, small):
    assert "made by onnxdc" not in onnxdc("inspect", model).stdout
    assert "prune density=0.1, share, encode" in onnxdc("inspect", small).stdout
    told = report_of(onnxdc("inspect", small, "--json"))["provenance"]
    assert told == {"onnxdc": version("onnxdc"), "prune": {"density": 0.1}, "share": {}, "encode": {}}


def test_a_recipe_says_what_happens(tmp_path):
    arguments = ["--recipe", CNN.with_suffix(".toml"), "--json"]
    report = report_of(onnxdc("compress", CNN, "-o", tmp_path / "out.onnx", *arguments))
    assert [round(row["density"], 2) for row in report["weights"]] == [0.66, 0.33, 0.08, 0.3]


def test_inspect_shows_dense_and_compressed_models(model, small):
    plain, compressed = (report_of(onnxdc("inspect", path, "--json")) for path in (model, small))
    assert [row["encoded_bytes"] for row in plain["weights"]] == [None, None]
    assert all(row["encoded_bytes"] for row in compressed["weights"])
    assert onnxdc("inspect", small).stdout.splitlines()[1].startswith("fc1")


def test_verify_compares_and_counts(tmp_path):
    assert onnxdc("compress", LENET, "-o", tmp_path / "small.onnx", "-q").exit_code == 0
    arguments = ["verify", LENET, tmp_path / "small.onnx", "--inputs", DIGITS, "--labels", "labels"]
    found = report_of(onnxdc(*arguments, "--json"))
    assert found["passed"]
    assert [accuracy["top1"] for accuracy in found["accuracies"]] == [pytest.approx(353 / 359)] * 3
    assert "top-1 98.33%" in onnxdc(*arguments).stdout


def test_verify_exits_with_1_beyond_the_tolerance(model, small):
    assert onnxdc("verify", model, small).exit_code == 0
    result = onnxdc("verify", model, small, "--tolerance", "1e-6")
    assert (result.exit_code, result.stderr) == (1, "onnxdc: error: the outputs differ by more than the tolerance\n")
    assert "EXCEEDED" in result.stdout
    assert onnxdc("verify", small, small, "--tolerance", "1e-4", "--seed", 3).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "density"], "--init: expected --sharing kmeans"),
        (["--groups", "2"], "--groups: expected --sharing kmeans"),
        (["--sharing", "kmeans", "--step", "0.1"], "--step: expected --sharing grid"),
    ],
)
def test_options_of_the_other_way_of_sharing_exit_with_2(arguments, message):
    for command in ("share", "compress"):
        result = onnxdc(command, "in.onnx", "-o", "out.onnx", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", "in.onnx"],
        ["compress", "in.onnx", "-o", "out.onnx", "--bits", "many"],
        ["compress", "in.onnx", "-o", "out.onnx", "--sparsity", "0.9"],
        ["prune", "in.onnx", "-o", "out.onnx", "--bits", "4"],
        ["verify", "a.onnx"],
        ["verify", "a.onnx", "b.onnx", "--labels", "y"],
        ["squeeze"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments):
    result = onnxdc(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_help_names_all_commands():
    text = onnxdc("--help").stdout
    for command in ("compress", "prune", "share", "encode", "decode", "inspect", "verify", "doctor"):
        assert f"  {command} " in text
        assert onnxdc(command, "--help").exit_code == 0


def test_an_interrupt_exits_with_130(monkeypatch, model):
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "inspect", interrupted)
    assert CliRunner().invoke(cli, ["inspect", str(model)]).exit_code == 130


@pytest.mark.parametrize(
    ("error", "line"), [(MemoryError(), "out of memory"), (MemoryError("8 EB"), "out of memory: 8 EB")]
)
def test_too_little_memory_is_told_in_one_line(monkeypatch, model, error, line):
    def hungry(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(api, "inspect", hungry)
    result = CliRunner().invoke(cli, ["inspect", str(model)])
    assert (result.exit_code, result.stderr) == (1, f"onnxdc: error: {line}\n")


def test_the_module_runs_as_a_command(model):
    done = subprocess.run([*COMMAND, "inspect", model, "--json"], capture_output=True, text=True, check=True)
    assert [row["name"] for row in json.loads(done.stdout)["weights"]] == ["fc1", "fc2"]
    assert done.stderr == ""


def on_a_terminal(columns: int, *arguments: object, **environment: str) -> str:
    """What a command prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **environment}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=follower, stderr=follower, env=variables) as process:
        os.close(follower)
        text = b""
        try:
            while chunk := os.read(leader, 4096):
                text += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(leader)
    assert process.returncode == 0
    return text.decode()


def test_a_terminal_gets_a_drawn_table(model):
    text = on_a_terminal(120, "compress", model, "-o", model.with_name("out.onnx"), "--density", "0.1")
    assert "──────" in text
    assert "fc1" in text
    assert "encode 1/2 fc1" not in text


def test_doctor_finds_the_library():
    found = report_of(onnxdc("doctor", "--json"))
    assert found["healthy"]
    assert Path(found["library"]).is_file()
    assert found["isa"] in onnxdc("doctor").stdout


def test_doctor_says_what_is_wrong():
    environment = {**os.environ, "ONNXDC_ISA": "mmx"}
    done = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "problem: " in done.stdout
    assert "mmx" in done.stdout
    assert "advice: " in done.stdout
    assert done.stderr == "onnxdc: error: compressed models run portably only\n"


@pytest.mark.parametrize("columns", [80, 50])
def test_a_narrow_terminal_cuts_names_and_leaves_columns_out_but_cuts_no_number(tmp_path, columns):
    name = "encoder.layer.0.attention.self.query.and.some.more.weight"
    model = dense()
    value = model.graph.initializers.pop("fc1")
    value.name = name
    model.graph.initializers.add(value)
    path = saved(model, tmp_path / "long.onnx")
    row = next(row for row in report_of(onnxdc("inspect", path, "--json"))["weights"] if row["name"] == name)
    text = on_a_terminal(columns, "inspect", path, NO_COLOR="1")
    first = ("weig", "enc", "fc2", "tota")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # NO_COLOR leaves bold letters
    table = [line for line in text.splitlines() if line.strip().startswith(first)]
    assert len(table) == 4
    assert all(len(line.rstrip()) <= columns for line in table)
    (line,) = [line for line in table if line.strip().startswith("enc")]
    assert "..." in line
    assert line.split()[0].endswith("ght")
    assert f"{row['dense_bytes']:,}" in line.split()
    assert name in onnxdc("inspect", path).stdout  # in a pipe nothing is cut


def test_no_color_means_none(small):
    escape = "\x1b["
    assert escape in on_a_terminal(100, "inspect", small)
    assert f"{escape}3" not in on_a_terminal(100, "inspect", small, NO_COLOR="1")


def test_weights_that_run_dense_for_one_reason_have_one_line(tmp_path):
    layers = "".join(f"x{i + 1} = MatMul(x{i}, w{i}) " for i in range(4))
    graph = f"g (float[N, 64] x0) => (float[N, 64] y) {{ {layers} y = Relu(x4) }}"
    file = saved(build(graph, **{f"w{i}": normal(64, 64, seed=i) for i in range(4)}), tmp_path / "model.onnx")
    lines = onnxdc("compress", file, "-o", tmp_path / "out.onnx").stdout.splitlines()
    verbose = onnxdc("compress", file, "-o", tmp_path / "out.onnx", "-v").stdout.splitlines()
    assert [line for line in lines if "dense: " in line] == ["4 weights run dense: too small to gain"]
    assert sum(line.endswith(": dense: too small to gain") for line in verbose) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("compress", "--density", "0.2"),
        ("prune", "--density", "0.2"),
        ("share",),
        ("report",),
        ("hook", "export"),
    ],
)
def test_a_dry_run_tells_all_and_writes_nothing(model, arguments):
    verb = arguments[:2] if arguments[0] == "hook" else arguments[:1]
    before = {path: path.read_bytes() for path in model.parent.iterdir()}
    dry = onnxdc(*verb, model, *arguments[len(verb) :], "-n")
    assert dry.exit_code == 0, dry.stderr
    assert dry.stderr.endswith("dry run: nothing was written\n")
    assert {path: path.read_bytes() for path in model.parent.iterdir()} == before
    if arguments[0] not in ("hook", "report"):
        wet = onnxdc(*verb, model, *arguments[len(verb) :], "-o", model.with_name("out.onnx"))
        assert dry.stdout == wet.stdout


def test_a_dry_run_refuses_what_could_not_be_written(model):
    assert onnxdc("prune", model, "-o", model, "--density", "0.2", "-n").exit_code == 1


def test_only_a_dry_run_needs_no_output(model):
    result = onnxdc("prune", model, "--density", "0.2")
    assert result.exit_code == 2
    assert "Missing option '-o' / '--output'" in result.stderr


def test_compare_tells_what_else_there_is(model):
    result = onnxdc("compress", model, "--density", "0.1", "-n", "--compare")
    assert "compared: int8 (onnxruntime dynamic): " in result.stdout
