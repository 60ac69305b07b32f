"""Training on grids: what comes of it is on grids, pays for its bytes, and is as large as it was told to be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir
import pytest
from scipy import stats

import onnxdc as library
from onnxdc import Recipe, Rule
from onnxdc.errors import OptionError, TrainingError
from onnxdc.graph.constants import replace_constant
from onnxdc.numeric.grids import element_grid, grid_of_values
from onnxdc.training.options import TrainingOptions
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run
from tests.helpers.training_models import (
    CLASSES,
    FEATURES,
    HELD_OUT,
    accuracy,
    classifier,
    pruned_classifier,
    tuned,
)

WIDE = 256


def wide_classifier(scale: float = 1.0) -> ir.Model:
    """Build a classifier with enough weights for their streams to be most of the file.

    Its second weight is smaller by ``scale`` and its third one larger, so that it computes the same.
    """
    return build(
        f"""wide (float[N, {FEATURES}] x) => (float[N, {CLASSES}] y)
        {{ h = Gemm(x, fc1, b1)  a = Relu(h)  i = MatMul(a, fc2)  b = Relu(i)  y = Gemm(b, fc3) }}""",
        fc1=normal(FEATURES, WIDE, seed=1) / 4,
        b1=np.zeros(WIDE, np.float32),
        fc2=normal(WIDE, WIDE, seed=2) / np.float32(16 * scale),
        fc3=normal(WIDE, CLASSES, seed=3) / np.float32(16 / scale),
    )


def encoded_bytes(result: object) -> int:
    """Return the bytes of the file that encode makes of what was trained."""
    return int(library.encode(result.model).to_proto().ByteSize())


def bits_of(model: ir.Model, names: Iterable[str]) -> float:
    """Return the entropy of the values of some weights, in bits an element."""
    counts = [np.unique(constants(model)[name], return_counts=True)[1] for name in names]
    return float(
        np.average([stats.entropy(count, base=2) for count in counts], weights=[sum(count) for count in counts])
    )


def on_grid(array: np.ndarray) -> bool:
    """Tell whether an array is integers times a step of four significant bits, of at most 255 besides zero."""
    values = np.unique(array)
    found = grid_of_values(values)
    assert not np.signbit(array[array == 0]).any()
    return found is not None and np.count_nonzero(values) <= 255 and np.frexp(float(found[0][0, 0]))[0] * 16 % 1 == 0


def test_weights_end_on_grids_of_their_own_and_biases_on_float16():
    found = tuned(classifier(), grid=True, rate=1e-4)
    arrays = constants(found.model)
    assert on_grid(arrays["fc1"])
    assert on_grid(arrays["fc2"])
    assert accuracy(found.model, HELD_OUT) == pytest.approx(found.report.after.accuracy)
    assert found.report.after.accuracy > found.report.before.accuracy + 0.3
    for name in ("b1", "b2"):
        assert arrays[name].any()
        np.testing.assert_array_equal(arrays[name], arrays[name].astype(np.float16))


def test_biases_may_take_a_byte():
    model = wide_classifier()
    replace_constant(model.graph.initializers["b1"], normal(WIDE, seed=4) / 8)
    recipe = Recipe(biases="int8")
    found = tuned(model, grid=True, rate=1e-5, recipe=recipe)
    b1 = constants(found.model)["b1"]
    step = 2.0 ** np.ceil(np.log2(np.abs(normal(WIDE, seed=4) / 8).max() / 127))
    assert (b1 % step == 0).all()
    assert np.abs(b1 / step).max() <= 127
    assert (b1 != np.round(normal(WIDE, seed=4) / 8 / step) * step).any()
    file = library.encode(found.model)
    assert file.model.graph.initializers["halves"].const_value.dtype == ir.DataType.INT8
    assert found.report.encoded_bytes == file.to_proto().ByteSize()
    halves = tuned(model, grid=True, rate=1e-5)
    assert abs(found.report.after.accuracy - halves.report.after.accuracy) < 0.05


def test_biases_of_zeros_are_trained_though_they_may_take_a_byte():
    found = tuned(wide_classifier(), grid=True, rate=1e-5, recipe=Recipe(biases="int8"))
    assert constants(found.model)["b1"].any()


def test_equal_values_are_not_held_to_the_step_of_biases():
    model = build(
        f"""wide (float[N, {FEATURES}] x) => (float[N, {CLASSES}] y)
        {{ h = Gemm(x, fc1, b1)  n = LayerNormalization(h, s, t)  a = Relu(n)  y = MatMul(a, fc2) }}""",
        fc1=normal(FEATURES, WIDE, seed=1) / 4,
        b1=normal(WIDE, seed=4),
        s=np.ones(WIDE, np.float32),
        t=np.zeros(WIDE, np.float32),
        fc2=normal(WIDE, CLASSES, seed=3) / 16,
    )
    found = constants(tuned(model, grid=True, rate=1e-6, epochs=2, recipe=Recipe(biases="int8")).model)
    assert np.unique(found["b1"]).size < 256
    for name in "st":
        assert np.unique(found[name]).size > 100


def test_the_score_before_is_that_of_the_model_that_was_read():
    assert tuned(classifier(), grid=True, rate=1e-4).report.before.accuracy == accuracy(classifier(), HELD_OUT)


def test_bytes_fall_as_a_bit_costs_more():
    results = [tuned(wide_classifier(), grid=True, rate=rate, epochs=6) for rate in (0.0, 1e-5, 1e-3)]
    sizes = [result.report.encoded_bytes for result in results]
    assert sizes == [encoded_bytes(result) for result in results]
    assert sizes[0] > 1.1 * sizes[1] > 2 * sizes[2]
    assert [result.report.epochs[-1].nbytes for result in results] == sizes
    assert results[2].report.density_after < 0.2


def test_it_does_not_matter_which_layers_have_the_large_weights():
    """Folded BatchNormalization leaves them anywhere: in ResNet-56 a convolution is a tenth of the next one."""
    found = [tuned(wide_classifier(scale), grid=True, rate=1e-5, epochs=6).report for scale in (1, 64)]
    assert found[1].before == found[0].before
    assert found[1].encoded_bytes == pytest.approx(found[0].encoded_bytes, rel=0.02)
    assert found[1].after.loss == pytest.approx(found[0].after.loss, rel=0.1)


@pytest.mark.parametrize("target", [24_000, pytest.param("12KB", marks=pytest.mark.slow)])
def test_the_file_is_as_large_as_it_was_told_to_be(target):
    found = tuned(wide_classifier(), grid=True, target_size=target, epochs=8, batch=8, lr=0.003)
    size = encoded_bytes(found)
    assert size == found.report.encoded_bytes
    assert 0.98 < size / (target if isinstance(target, int) else 12_000) <= 1
    assert found.report.after.accuracy > 0.8
    before_integers_are_fixed = found.report.epochs[6].nbytes
    assert before_integers_are_fixed < 1.005 * size, "what is saved when integers are fixed costs too much"


def test_a_size_may_be_a_part_of_the_file(tmp_path):
    path = tmp_path / "wide.onnx"
    ir.save(wide_classifier(), path)
    found = tuned(path, grid=True, target_size="20x", epochs=8, batch=8, lr=0.003)
    assert 20 <= path.stat().st_size / encoded_bytes(found) < 20.41


def test_a_large_size_begins_with_finer_grids():
    usual = tuned(wide_classifier(), grid=True, rate=0.0, settle=1, epochs=1).report.encoded_bytes
    target = 3 * usual // 2
    found = tuned(wide_classifier(), grid=True, target_size=target, epochs=8, batch=8)
    assert 0.98 * target <= found.report.encoded_bytes <= target
    assert str(found.report).endswith(f"encoded: {found.report.encoded_bytes:,} bytes, of {target:,} asked for")
    assert on_grid(constants(found.model)["fc2"])


def test_a_size_below_that_of_zeros_is_an_error_before_it_is_trained():
    empty = wide_classifier()
    for name in ("fc1", "fc2", "fc3"):
        array = constants(empty)[name]
        replace_constant(empty.graph.initializers[name], np.zeros_like(array))
    least = library.encode(empty).to_proto().ByteSize()
    epochs = []
    with pytest.raises(TrainingError, match=rf"at most {least - 200:,} bytes, got .* with nothing but zeros"):
        tuned(wide_classifier(), grid=True, target_size=least - 200, progress=epochs.append)
    assert not epochs


def test_a_size_that_is_out_of_reach_is_said():
    with pytest.raises(TrainingError, match=r"at most 2,300 bytes, got [0-9,]+ at least .* train for longer"):
        tuned(wide_classifier(), grid=True, target_size="2.3KB", epochs=1, val=None)


def test_a_checkpoint_of_other_grids_is_refused(tmp_path):
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    options = {"grid": True, "rate": 1e-4, "checkpoint": tmp_path / "checkpoint"}
    with pytest.raises(KeyboardInterrupt):
        tuned(classifier(), progress=interrupt, **options)
    with pytest.raises(TrainingError, match=r"of another training: grids fc1 of step .* 255 values.* 15 values"):
        tuned(classifier(), recipe=Recipe(rules=(Rule(pattern="fc1", bits=4),)), resume=True, **options)


def test_only_epochs_with_fixed_integers_can_be_the_best():
    found = tuned(classifier(), grid=True, rate=1e-4, epochs=8, settle=0.25)
    assert found.report.best_epoch > 6
    assert tuned(classifier(), grid=True, rate=1e-4, epochs=8, settle=0.25, patience=1).report.best_epoch > 6


def test_a_mask_stays_a_mask():
    model = pruned_classifier()
    found = constants(tuned(model, grid=True, rate=1e-5).model)
    for name in ("fc1", "fc2"):
        assert on_grid(found[name])
        assert not found[name][constants(model)[name] == 0].any()


def test_a_weight_of_kmeans_gets_a_grid_and_keeps_its_zeros():
    model = library.share(pruned_classifier(), sharing="kmeans", bits=3).model
    found = constants(tuned(model, grid=True, rate=0.0).model)
    assert on_grid(found["fc1"])
    assert not found["fc1"][constants(model)["fc1"] == 0].any()


def test_a_recipe_says_which_weights_have_grids_and_how_many_values():
    rules = (Rule(pattern="fc1", skip=True), Rule(pattern="fc2", bits=2, step=0.8))
    found = tuned(wide_classifier(), recipe=Recipe(rules=rules), grid=True, rate=0.0)
    arrays = constants(found.model)
    assert element_grid(arrays["fc1"]) is None
    assert np.count_nonzero(np.unique(arrays["fc2"])) <= 3
    step = element_grid(arrays["fc2"])[1].item()
    assert 0.5 < step / np.sqrt(np.mean(constants(wide_classifier())["fc2"] ** 2)) < 1.2
    kept = Recipe(rules=(Rule(pattern="fc1", sharing="kmeans"),))
    arrays = constants(tuned(classifier(), recipe=kept, grid=True, rate=0.0).model)
    assert element_grid(arrays["fc1"]) is None
    assert element_grid(arrays["fc2"]) is not None


def test_batch_normalization_is_folded_first():
    scale, shift, mean = (normal(128, seed=seed) for seed in (3, 4, 5))
    model = build(
        """n (float[N, 8, 6, 6] x) => (y) { c = Conv <kernel_shape = [3, 3]> (x, w)
        n = BatchNormalization(c, s, b, m, v)  p = GlobalAveragePool(n)  y = Flatten(p) }""",
        w=normal(128, 8, 3, 3, seed=2),
        s=scale,
        b=shift,
        m=mean,
        v=np.square(normal(128, seed=6)) + 0.5,
    )
    x = normal(64, 8, 6, 6)
    options = {"teacher": model, "grid": True, "rate": 0.0, "settle": 1.0, "lr": 1e-9, "loss": "mse", "threads": 1}
    found = library.finetune(model, {"x": x}, **options)
    assert [node.op_type for node in found.model.graph] == ["Conv", "GlobalAveragePool", "Flatten"]
    assert found.report.folds == 1
    assert "folded first: 1" in str(found.report)
    expected, got = (run(either, {"x": x})[0] for either in (model, found.model))
    assert np.square(got - expected).mean() < 0.05 * np.square(expected).mean()
    kept = library.finetune(model, {"x": x}, recipe=Recipe(biases="keep"), **options)
    biases = [next(a for a in constants(either.model).values() if a.ndim == 1) for either in (found, kept)]
    assert [np.array_equal(bias, bias.astype(np.float16)) for bias in biases] == [True, False]


MODELS = {
    "depthwise": (
        "g (float[N, 32, 6, 6] x) => (y) { y = Conv <kernel_shape = [3, 3], group = 32> (x, w) }",
        {"w": normal(32, 1, 3, 3)},
        normal(64, 32, 6, 6, seed=1),
    ),
    "grouped": (
        "g (float[N, 8, 6, 6] x) => (y) { y = Conv <kernel_shape = [3, 3], group = 2> (x, w) }",
        {"w": normal(16, 4, 3, 3)},
        normal(64, 8, 6, 6, seed=1),
    ),
    "transposed": (
        "g (float[N, 8, 6, 6] x) => (y) { y = ConvTranspose <kernel_shape = [3, 3]> (x, w) }",
        {"w": normal(8, 4, 3, 3)},
        normal(64, 8, 6, 6, seed=1),
    ),
    "lstm": (
        """g (float[N, 5, 6] x) => (y) { t = Transpose <perm = [1, 0, 2]> (x)
        o, h, c = LSTM <hidden_size = 8> (t, w, r)  y = Transpose <perm = [1, 0, 2]> (h) }""",
        {"w": normal(1, 32, 6), "r": normal(1, 32, 8, seed=2)},
        normal(64, 5, 6, seed=1),
    ),
    "gru": (
        """g (float[N, 5, 6] x) => (y) { t = Transpose <perm = [1, 0, 2]> (x)
        o, h = GRU <hidden_size = 8> (t, w, r)  y = Transpose <perm = [1, 0, 2]> (h) }""",
        {"w": normal(1, 24, 6), "r": normal(1, 24, 8, seed=2)},
        normal(64, 5, 6, seed=1),
    ),
    "table": (
        "g (int64[N, 4] x) => (y) { y = Gather(w, x) }",
        {"w": normal(40, 8)},
        np.random.default_rng(1).integers(0, 40, (64, 4)),
    ),
    "used twice": (
        "g (float[N, 16] x) => (y) { a = MatMul(x, w)  b = Relu(a)  y = MatMul(b, w) }",
        {"w": normal(16, 16)},
        normal(64, 16, seed=1),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("text", "weights", "x"), MODELS.values(), ids=MODELS.keys())
def test_weights_of_every_kind_are_trained_on_grids(text, weights, x):
    model = build(text, **weights)
    recipe = Recipe(min_elements=64)
    options = {"teacher": model, "recipe": recipe, "loss": "mse", "grid": True, "lr": 1e-2, "epochs": 20, "threads": 1}
    found = library.finetune(model, {"x": x}, rate=1e-7, **options)
    arrays = constants(found.model)
    for name in weights:
        assert on_grid(arrays[name])
        assert 2 < np.unique(arrays[name]).size < 60
    wanted, got = (run(either, {"x": x})[0] for either in (model, found.model))
    assert np.square(got - wanted).mean() < 0.1 * np.square(wanted).mean()
    coarse = library.finetune(model, {"x": x}, rate=0.3, **options)
    assert bits_of(coarse.model, weights) < bits_of(found.model, weights)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_types_are_trained_on_grids(dtype):
    model = build(
        f"g ({np.dtype(dtype).name.replace('float64', 'double')}[N, 16] x) => (y) {{ y = MatMul(x, w) }}",
        w=normal(16, 20).astype(dtype),
    )
    data = {"x": normal(64, 16, seed=1).astype(dtype)}
    found = library.finetune(model, data, teacher=model, loss="mse", grid=True, rate=1e-7, epochs=4, threads=1)
    assert constants(found.model)["w"].dtype == dtype
    assert on_grid(constants(found.model)["w"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1e-6}, "rate needs grid"),
        ({"target_size": "4x"}, "target_size needs grid"),
        ({"step_lr": 0.1}, "step_lr needs grid"),
        ({"grid": True}, "grid: expected rate, target_size or max_drop, got neither"),
        ({"grid": True, "rate": 0.0, "target_size": "4x"}, "size or max_drop, got rate and target_size"),
        ({"max_drop": 1.0}, "max_drop needs grid"),
        ({"grid": True, "max_drop": 1.0, "val": None}, "max_drop: expected validation data to judge by, got none"),
        ({"grid": True, "max_drop": 1.0, "loss": "mse"}, "max_drop needs loss cross_entropy or bce"),
        ({"grid": True, "max_drop": 1.0, "patience": 2}, "patience: expected none with max_drop"),
        ({"grid": True, "max_drop": 1.0, "rounds": 5}, "rounds: expected at most one for each of 4 epochs, got 5"),
        ({"grid": True, "rate": 0.0, "density": 0.1}, "grid: expected no density"),
        ({"grid": True, "target_size": "four"}, "target_size: expected bytes"),
        ({"grid": True, "target_size": "4x"}, r"target_size: 4x of what\?"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        tuned(classifier(), **options)


def test_what_is_no_size_is_refused_before_anything_is_read():
    with pytest.raises(OptionError, match="target_size: expected bytes"):
        TrainingOptions(grid=True, target_size="four")


def test_bf16_computes_nearly_the_same():
    found = tuned(classifier(), precision="bf16").report
    assert found.after.accuracy > 0.8
    assert found.after.loss == pytest.approx(tuned(classifier()).report.after.loss, abs=0.05)
    assert found.after != tuned(classifier()).report.after
