"""Work that goes to workers: the same results in the same order, whatever becomes of a worker."""

from __future__ import annotations

import os
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import distributed
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

import onnxdc
from onnxdc import MissingExtraError, OptionError, WorkersError, model_io
from onnxdc.calibration.build import calibrate, prune
from onnxdc.calibration.gather import gather
from onnxdc.calibration.sensitivity import importances, measure
from onnxdc.cli.commands import cli
from onnxdc.graph.weights import Weight
from onnxdc.passes.plan import plan_weights
from onnxdc.recipe import Recipe
from onnxdc.workers import connected, here
from onnxdc.workers.stored import stored
from tests.helpers.calibration_networks import perceptron, planned
from tests.helpers.text_models import build, normal
from tests.workers import work

pytestmark = pytest.mark.xdist_group("workers")

LAYERS = 8
MODEL = build(
    "g (float[N, 64] x0) => (float[N, 64] x8) {"
    + " ".join(f"x{number + 1} = MatMul (x{number}, w{number})" for number in range(LAYERS))
    + "}",
    **{f"w{number}": normal(64, 64, seed=number) / 8 for number in range(LAYERS)},
)
SHARED = onnxdc.share(MODEL, sharing="kmeans", bits=8, min_elements=64).to_proto().SerializeToString()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model in a file, with its weights in another."""
    proto = onnx.ModelProto.FromString(SHARED)  # saving changes it
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    return tmp_path / "m.onnx"


def weights_of(path: Path) -> list[Weight]:
    return [planned.weight for planned in plan_weights(model_io.load(path), Recipe(min_elements=64)).weights]


def bytes_of(result: onnxdc.CompressionResult) -> bytes:
    return result.to_proto().SerializeToString(deterministic=True)


def test_results_come_in_the_order_of_the_calls(client: distributed.Client, path: Path) -> None:
    calls = [(weight, number) for number, weight in enumerate(weights_of(path))]
    with connected(client) as mapper:
        found = list(mapper(work.doubled, calls))
    assert len(found) == LAYERS
    assert all(np.array_equal(a, b) for a, b in zip(found, here(work.doubled, calls), strict=True))


def test_few_calls_are_on_their_way_at_once(client: distributed.Client) -> None:
    taken = []
    with connected(client) as mapper:
        results = mapper(work.waits, ((taken.append(number) or 0.0,) for number in range(100)))
        next(results)
        assert len(taken) == 4
        next(results)
        assert len(taken) == 5
        results.close()


def test_a_worker_reads_a_stored_weight_and_gets_no_values(path: Path) -> None:
    for weight in weights_of(path):
        reference = stored(weight)
        sent = pickle.dumps(reference)
        assert len(sent) < 1000
        assert np.array_equal(pickle.loads(sent).array(), weight.array())


def test_a_weight_in_memory_has_no_reference() -> None:
    (first, *_) = plan_weights(MODEL.clone(), Recipe(min_elements=64)).weights
    assert stored(first.weight) is None


@pytest.mark.parametrize("change", ["other bytes", "shorter", "gone", "a folder"])
def test_another_file_at_the_path_is_not_taken_for_the_weights(
    client: distributed.Client, path: Path, change: str
) -> None:
    calls = [(weight, number) for number, weight in enumerate(weights_of(path))]
    expected = list(here(work.doubled, calls))
    data = path.with_name("m.data")
    size = data.stat().st_size
    data.unlink()  # it stays open here, as one that other machines do not see
    if change == "other bytes":
        data.write_bytes(b"\1" * size)
    elif change == "shorter":
        data.write_bytes(b"\1")
    elif change == "a folder":
        data.mkdir()
    assert stored(calls[0][0]) is not None
    assert stored(calls[0][0]).array() is None
    with connected(client) as mapper:
        found = list(mapper(work.doubled, calls))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_worker_that_dies_at_work_costs_a_retry(client: distributed.Client, path: Path, tmp_path: Path) -> None:
    calls = [(weight, number, tmp_path / "died") for number, weight in enumerate(weights_of(path))]
    with connected(client) as mapper:
        found = list(mapper(work.dies_once, calls))
    assert (tmp_path / "died").exists()
    expected = here(work.doubled, [call[:2] for call in calls])
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_work_that_kills_every_worker_is_given_up(client: distributed.Client) -> None:
    with connected(client) as mapper, pytest.raises(WorkersError, match="a call: workers died of it time after time"):
        list(mapper(work.always_dies, [()]))


def test_without_a_connection_it_is_given_up(client: distributed.Client) -> None:
    with connected(client) as mapper:
        results = mapper(work.waits, [(0.0,), (1.0,)])
        next(results)
        client.close()
        with pytest.raises(WorkersError, match="the connection to the scheduler is gone"):
            next(results)


def test_what_a_worker_raises_is_one_line(client: distributed.Client) -> None:
    with connected(client) as mapper, pytest.raises(WorkersError, match="ZeroDivisionError") as caught:
        list(mapper(work.fails, [()]))
    assert "\n" not in str(caught.value)


def test_compressing_with_a_worker_killed_is_as_compressing_here(client: distributed.Client, path: Path) -> None:
    pids = list(client.run(os.getpid).values())
    killed = []

    def kill(stage: str, _name: str, done: int, _total: int) -> None:
        if (stage, done) == ("share", 2):
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    options = {"min_elements": 64, "sharing": "kmeans", "bits": 5, "density": 0.5, "check": False}
    found = onnxdc.compress(path, workers=client, progress=kill, **options)
    assert bytes_of(found) == bytes_of(onnxdc.compress(path, **options))
    assert len(killed) == 1


def test_calibrating_with_workers_is_as_calibrating_here(client: distributed.Client) -> None:
    model, x = perceptron()
    feeds = [{"x": x}]
    with connected(client) as mapper:
        plans = [replace(planned(model), mapper=each) for each in (here, mapper)]
        statistics = [gather(plan, feeds) for plan in plans]
        expected, found = [measure(plan, known, feeds) for plan, known in zip(plans, statistics, strict=True)]
        assert expected == found
        pruned, rounded = (
            [make(plan, known) for plan, known in zip(plans, statistics, strict=True)]
            for make in (
                lambda plan, known: prune(plan, known, {"fc1": 0.5}),
                lambda plan, known: calibrate(plan, known, importances(found, measured=True), 1e-3, pruned=["fc1"]),
            )
        )
    assert (len(pruned[0].weights), len(rounded[0].weights)) == (1, 2)
    both = [(each[0].weights[name], each[1].weights[name]) for each in (pruned, rounded) for name in each[0].weights]
    for local, remote in both:
        assert np.array_equal(local.values, remote.values)
        assert (local.step, local.loss) == (remote.step, remote.loss)
        assert (local.bias is None and remote.bias is None) or np.array_equal(local.bias, remote.bias)


def test_a_weight_that_cannot_be_rounded_is_left_with_workers_too(client: distributed.Client) -> None:
    broken = model_io.load(MODEL)
    weights = [each.weight for each in plan_weights(broken, Recipe(min_elements=64)).weights]
    weights[1].replace(np.full((64, 64), np.nan, np.float32))
    skips = [onnxdc.share(broken, min_elements=64, workers=each).report.skips for each in (None, client)]
    assert skips[0] == skips[1]
    assert [skip.name for skip in skips[1]] == ["w1"]


@pytest.mark.parametrize(
    ("command", "options"),
    [("compress", ["--no-check"]), ("share", []), ("prune", ["--density", "0.5"]), ("encode", ["--no-check"])],
)
def test_commands_write_what_they_write_without_workers(
    cluster: LocalCluster, path: Path, command: str, options: list[str]
) -> None:
    arguments = [command, str(path), "--min-elements", "64", *options]
    outputs = [path.with_name(name) for name in ("here.onnx", "there.onnx")]
    for output, workers in zip(outputs, ([], ["--workers", cluster.scheduler_address]), strict=True):
        result = CliRunner().invoke(cli, [*arguments, "-o", str(output), *workers])
        assert result.exit_code == 0, result.output
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_a_scheduler_that_does_not_answer_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxdc.workers.cluster._CONNECTING", 1)
    address = "tcp://127.0.0.1:1"
    result = CliRunner().invoke(cli, ["share", str(path), "-o", str(path.with_name("o.onnx")), "--workers", address])
    assert result.exit_code == 1
    assert result.stderr == f"onnxdc: error: {address}: no scheduler of dask answers within 1 s\n"


def test_a_scheduler_without_workers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxdc.workers.cluster._JOINING", 1)
    with LocalCluster(n_workers=0, dashboard_address=":0", silence_logs="CRITICAL") as empty:
        address = empty.scheduler_address
        with pytest.raises(WorkersError, match=f"{address}: no worker has joined the scheduler within 1 s"):
            onnxdc.share(MODEL, workers=address)


@pytest.mark.parametrize("address", ["nowhere", "http://nowhere:1", "tcp://nowhere:port", ""])
def test_what_is_no_address_is_a_wrong_option(address: str) -> None:
    with pytest.raises(OptionError, match="workers: expected an address such as tcp://HOST:8786, got"):
        onnxdc.share(MODEL, workers=address)


def test_the_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'onnxdc\[distributed\]'"):
        onnxdc.share(MODEL, workers="tcp://127.0.0.1:8786")
