"""Everything that a training needs, made from a model, data and options, with what does not fit refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.target_size import target_bytes
from onnxdc.errors import ModelError, OptionError, OptionName
from onnxdc.graph.weights import find_weights
from onnxdc.hooks import TrainingHook, read_hook
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import InputSpec, input_specs
from onnxdc.recipe import Recipe
from onnxdc.torch import OnnxModule
from onnxdc.training.answering import answered, check_batch
from onnxdc.training.data import Arrays, Batch, data_digest, load_data, name_of_data, split
from onnxdc.training.dropout import Dropouts, LayerDropout
from onnxdc.training.dropout_nodes import insert_dropout, layers_after_dropout
from onnxdc.training.environment import device_of
from onnxdc.training.grid_model import ready_for_grids
from onnxdc.training.grids import Grids
from onnxdc.training.loop import Loop
from onnxdc.training.multiply_adds import MultiplyAdds, multiply_adds_of
from onnxdc.training.network import Network
from onnxdc.training.options import TRAINING_KEYS, TrainingOptions
from onnxdc.training.outputs import bypass_activation
from onnxdc.training.pruning import Pruner
from onnxdc.training.rates import GivenRate, Rate, RisingRate, SteeredRate
from onnxdc.training.schedule import DensitySchedule, GridSchedule
from onnxdc.training.scoring import Answers
from onnxdc.training.search import Search
from onnxdc.training.sparse_start import sparse_rankings, start_sparse
from onnxdc.training.targets import Ranking, grid_starts, rankings
from onnxdc.training.teacher import Teacher
from onnxdc.training.written import Written, answers_of

_LABELS: Final = "labels"


@dataclass(frozen=True)
class Data:
    """The data of a training, as they are given.

    Attributes:
        training: The data to train on.
        validation: The data to measure each epoch on; None without any.
        named: The name of the labels in both; None where nobody gave one.
    """

    training: Arrays
    validation: Arrays | None
    named: str | None

    @property
    def labels(self) -> str:
        """The name of the labels."""
        return _LABELS if self.named is None else self.named

    def read(
        self, specs: Sequence[InputSpec], options: TrainingOptions, *, required: bool
    ) -> tuple[Batch, Batch | None]:
        """Read and check both; cut the first in two where no second is given, and ``val_share`` asks for it.

        Args:
            specs: The inputs of the model.
            options: The options, of which ``loss`` and ``val_share`` count.
            required: Whether there must be labels, even if nobody named them.
        """
        required = required or self.named is not None
        training = load_data(self.training, specs, self.labels, options.loss, required=required)
        if self.validation is None:
            return split(training, options.val_share) if options.val_share else (training, None)
        scored = training.labels is not None
        return training, load_data(self.validation, specs, self.labels, options.loss, required=scored)


@dataclass(frozen=True)
class Task:
    """A training, ready to begin.

    Attributes:
        model: The model that gets the trained values in the end.
        original: What answers as the model that was read.
        loop: The loop that trains.
        recipe: What is done to the weights, and how the model is encoded in the end.
        folds: How many nodes were folded.
        run: What tells this training from others, see ``checkpoint.py``.
    """

    model: ir.Model
    original: Answers
    loop: Loop
    recipe: Recipe
    folds: int
    run: dict[str, Any]


def prepare(model: Source, data: Data, teacher: Source | None, recipe: Recipe, options: TrainingOptions) -> Task:
    """Read all, check all, and build what trains; arguments and errors are those of ``train.finetune``."""
    where = model_io.name_of(model)
    loaded = model_io.load(model)
    if is_compressed(loaded):
        raise ModelError(f"{where}: compressed, expected a model that is decoded (onnxdc decode)")
    specs = input_specs(loaded, where)
    for name in ("temperature", "distill_weight"):
        if teacher is None and options.is_given(name):
            raise OptionError(OptionName(name), " needs ", OptionName("teacher"))
    for name in ("shift", "flip"):
        if getattr(options, name) and not any(len(spec.shape) == 4 for spec in specs):
            message = f": expected a model with images [N, C, H, W], {where} has no such input"
            raise OptionError(OptionName(name), message)
    as_read = loaded.clone() if options.grid else loaded
    folds = ready_for_grids(loaded, recipe) if options.grid else 0
    training, validation = data.read(specs, options, required=teacher is None)
    if training.labels is None and options.is_given("distill_weight") and options.distill_weight != 1:
        message = f": expected 1, as {name_of_data(data.training)} has no labels, got {options.distill_weight:g}"
        raise OptionError(OptionName("distill_weight"), message)
    for part in (training, validation):
        check_batch(specs, options, part, where)
    try:
        hook = read_hook(loaded)
        ranked = _rankings(loaded, recipe, hook, options)
        if options.sparse_from_start is not None:
            if not ranked:
                message = f": expected a density, {where} has none"
                raise OptionError(OptionName("sparse_from_start"), message)
            ranked = sparse_rankings(ranked, {name: weight.shape for name, weight in hook.weights.items()})
        if options.regrow and not ranked:
            raise OptionError(
                OptionName("regrow"), f": expected a density, or weights that are pruned already, {where} has none"
            )
        falling = [ranking for ranking in ranked if ranking.target < ranking.start]
        needed = {"schedule": ranked, "ramp": falling, "mask_interval": ranked, "settle": ranked or options.grid}
        for name, there in needed.items():
            if not there and options.is_given(name):
                or_grids = " or grids" if name == "settle" else ""
                raise OptionError(OptionName(name), f": expected a density to prune to{or_grids}, got none")
        if options.grid and ranked:
            raise OptionError(OptionName("grid"), ": expected no density next to it, zeros come of the rate; got one")
        original = answers_of(as_read, options)
        network, dropouts = _student(loaded, recipe, hook, ranked, options)
        if options.grid and not network.grids:
            raise OptionError(OptionName("grid"), f": expected a weight to be put on a grid, {where} has none")
    except ModelError as error:
        raise ModelError(f"{where}: ", *error.args) from error
    loaded_teacher = None if teacher is None else Teacher(teacher, specs, options)
    run = _run(options, hook, ranked, network, training, validation, loaded_teacher)
    training = answered(training, network, loaded_teacher, options, name_of_data(data.training), data.labels)
    if validation is not None:
        source = name_of_data(data.training if data.validation is None else data.validation)
        validation = answered(validation, network, loaded_teacher, options, source, data.labels)
    epoch_steps = -(-len(training) // options.batch)
    schedule = (options, options.epochs * epoch_steps, epoch_steps)
    by_gradients = options.regrows_by_gradients
    pruner = Pruner(network.masked, ranked, DensitySchedule(*schedule), options.regrow, by_gradients)
    counted = None
    if options.sparse_from_start is not None:
        start_sparse(network, loaded, ranked, drawn=options.sparse_from_start == "drawn")
        counted = MultiplyAdds(multiply_adds_of(loaded, recipe.min_elements, next(training.parts(options.batch))))

    written, rate = Written(loaded, recipe, options), _rate(options, network, loaded)
    search = None
    if isinstance(rate, RisingRate) and options.max_drop is not None:
        assert validation is not None, "checked before"
        search = Search(original, written, validation, rate, options.max_drop)
    grids = Grids(network.grids, GridSchedule(*schedule), rate, lambda: written.nbytes(network.values()))
    loop = Loop(network, options, training, validation, loaded_teacher, pruner, grids, dropouts, search, counted)
    return Task(loaded, original, loop, recipe, folds, run)


def _rate(options: TrainingOptions, network: Network, model: ir.Model) -> Rate:
    """Return what a bit costs."""
    elements = sum(weight.latent.numel() for weight in network.grids.values())
    if options.max_drop is not None:
        return RisingRate(elements)
    if options.target_size is None:
        return GivenRate(options.rate or 0.0)
    target = target_bytes(options.target_size, model_io.file_bytes(model))
    return SteeredRate(target, elements)


def _rankings(model: ir.Model, recipe: Recipe, hook: TrainingHook, options: TrainingOptions) -> list[Ranking]:
    shared = {name for name, weight in hook.weights.items() if weight.stage == "shared"}
    return rankings(model, recipe, shared, regrow=options.regrow)


def _student(
    model: ir.Model, recipe: Recipe, hook: TrainingHook, ranked: Sequence[Ranking], options: TrainingOptions
) -> tuple[Network, Dropouts]:
    """Make the network that is trained, and its dropout."""
    copy = model_io.load(model)
    bypass_activation(copy, options.loss, options.class_axis)
    weights, _ = find_weights(copy, recipe.min_elements)
    if options.dropout and not insert_dropout(copy, weights, options.dropout):
        raise OptionError(
            OptionName("dropout"), ": expected a fully connected layer after another one and no Dropout, got none"
        )
    names = [weight.name for weight in weights if weight.name in hook.weights]
    grids = grid_starts(copy, recipe, options.step_init, int8=options.int8) if options.grid else {}
    network = Network.of(
        OnnxModule(copy, hook.weights, grids),
        hook,
        names,
        [name for ranking in ranked for name in ranking.names],
        byte_biases=recipe.biases == "int8",
    )
    layers = layers_after_dropout(copy, weights)
    dropouts = Dropouts(
        [
            LayerDropout(dropout, dropout.p, layers[name])
            for name, dropout in network.module.dropouts.items()
            if layers.get(name)
        ]
    )
    dropouts.adjust(network)
    network.module.to(device_of(options))
    return network, dropouts


def _run(
    options: TrainingOptions,
    hook: TrainingHook,
    ranked: Sequence[Ranking],
    network: Network,
    training: Batch,
    validation: Batch | None,
    teacher: Teacher | None,
) -> dict[str, Any]:
    """Return what must be the same for a training to go on from a checkpoint."""
    return {key.name: getattr(options, key.name) for key in TRAINING_KEYS} | {
        "density": ", ".join(f"{' and '.join(ranking.names)} {ranking.target:.4g}" for ranking in ranked) or None,
        "grids": ", ".join(f"{name} {weight.told()}" for name, weight in network.grids.items()) or None,
        "model": hook.digest,
        "teacher": None if teacher is None else teacher.digest,
        "data": data_digest(training),
        "validation data": None if validation is None else data_digest(validation),
    }
