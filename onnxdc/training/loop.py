"""The training loop: epochs of steps, the best epoch kept, and a state from which it goes on exactly."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from onnxdc.errors import OptionName, TrainingError, WeightError
from onnxdc.training.augment import flipped, shifted
from onnxdc.training.best import Best, epoch_of
from onnxdc.training.data import Batch
from onnxdc.training.dropout import Dropouts
from onnxdc.training.environment import device_of
from onnxdc.training.grids import Grids
from onnxdc.training.losses import Objective
from onnxdc.training.multiply_adds import MultiplyAdds
from onnxdc.training.network import Network
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import logits
from onnxdc.training.pruning import Pruner
from onnxdc.training.report import Epoch, Score
from onnxdc.training.rounds import Rounds
from onnxdc.training.schedule import GridSchedule, learning_rate, step_learning_rate
from onnxdc.training.scoring import Answers, Scorer, score
from onnxdc.training.search import Search
from onnxdc.training.teacher import Teacher

EpochDone: TypeAlias = Callable[[Epoch], None]


@dataclass
class Loop:
    """A training under way.

    Attributes:
        network: The network that is trained.
        options: The options of the training.
        training: The data to train on.
        validation: The data to measure each epoch on; None without any.
        teacher: The teacher; None without one.
        pruner: What chooses the masks.
        grids: The weights that are on grids of their own.
        dropouts: The dropout that grows weaker as weights are pruned.
        search: What looks for the smallest file that is good enough; None if nobody asked for it.
        multiply_adds: Counts those of the training; None if nobody asked for it.
        done: The epochs so far.
        best: The best values so far; None while masks and integers have not settled.
    """

    network: Network
    options: TrainingOptions
    training: Batch
    validation: Batch | None
    teacher: Teacher | None
    pruner: Pruner
    grids: Grids
    dropouts: Dropouts
    search: Search | None = None
    multiply_adds: MultiplyAdds | None = None
    done: list[Epoch] = field(default_factory=list)
    best: Best | None = None

    def __post_init__(self) -> None:
        self.objective = Objective(self.options)
        self.device = device_of(self.options)
        self.epoch_steps = -(-len(self.training) // self.options.batch)
        self.steps = self.options.epochs * self.epoch_steps
        self.rounds = Rounds(self.options.epochs, 1 if self.search is None else self.options.round_count)
        round_steps = self.steps // self.rounds.count
        self.optimizer = self.network.optimizer(self.options, step_learning_rate(self.options, round_steps))

    def run(self, epoch_done: EpochDone) -> None:
        """Train until the last epoch, or until nothing has become better for ``patience`` epochs.

        Args:
            epoch_done: Called after each epoch; the state is that of the end of the epoch.

        Raises:
            TrainingError: The loss, or a value, is NaN or infinite.
        """
        if not self.done and self.validation is not None and self._settled(0):
            self.best = Best(0, self.evaluate(self.validation), self._snapshot())
        while len(self.done) < self.options.epochs and not self._patience_is_over():
            start = time.monotonic()
            if len(self.done) == self._round()[0]:
                self.grids.begin(self._grid_schedule())
            training = self._epoch(len(self.done))
            validation = None if self.validation is None else self.evaluate(self.validation)
            if validation is not None and not math.isfinite(validation.loss):
                raise self._diverged(len(self.done), self.epoch_steps - 1, "the validation loss")
            density, seconds = self.network.density(self.network.weights), time.monotonic() - start
            nbytes = self.grids.measure_file()
            number = len(self.done) + 1
            epoch = Epoch(number, self.options.epochs, training, validation, density, seconds, nbytes)
            if self.search is not None:
                epoch = self._judged(self.search, epoch)
            self.done.append(epoch)
            if self.search is None:
                self._keep_if_best(validation)
            epoch_done(self.done[-1])

    @property
    def measured_on(self) -> Batch:
        """The data that tell how good a model is: those for validation, if there are any."""
        return self.training if self.validation is None else self.validation

    def evaluate(self, data: Batch) -> Score:
        """Score the network as it is."""
        self.network.module.eval()
        return self.score(lambda batch: self._outputs(batch.to(self.device)), data)

    def score(self, answers: Answers, data: Batch) -> Score:
        """Score what a model answers."""
        return score(answers, data, self.objective, self.options.batch)

    def state(self) -> dict[str, Any]:
        """Return the state after an epoch: all that the next one depends on."""
        return {
            "network": self.network.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "grids": self.grids.state(),
            "pruner": self.pruner.state(),
            "search": None if self.search is None else self.search.state(),
            "multiply_adds": None if self.multiply_adds is None else self.multiply_adds.state(),
            "done": [dataclasses.asdict(epoch) for epoch in self.done],
            "best": None if self.best is None else self.best.state(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state; any error of torch or of a lookup says that it is of another training."""
        self.network.module.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, moments in self.optimizer.state.items():
            tensors = [moment for moment in moments.values() if isinstance(moment, torch.Tensor) and moment.ndim]
            if any(tensor.shape != parameter.shape for tensor in tensors):
                raise ValueError("the optimizer has moments of another shape than the weight")
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["device"], self.device)
        self.done = [epoch_of(entry) for entry in state["done"]]
        self.best = None if state["best"] is None else Best.of(state["best"])
        first, _ = self._round(len(self.done) - 1)
        self.grids.schedule = self._grid_schedule(len(self.done) - 1)
        self.grids.resume(state["grids"], (len(self.done) - first) * self.epoch_steps)
        self.pruner.resume(state["pruner"])
        if self.search is not None:
            self.search.resume(state["search"])
        if self.multiply_adds is not None:
            self.multiply_adds.resume(state["multiply_adds"])
        self.dropouts.adjust(self.network)

    def _epoch(self, number: int) -> Score:
        """Train for an epoch, counted from 0, and return the mean score of its steps."""
        self.network.module.train()
        order = torch.split(torch.randperm(len(self.training)), self.options.batch)
        scorer = Scorer(self.objective)
        for index, items in enumerate(order):
            self._step(number, index, self.training.take(items), scorer)
        return scorer.score()

    def _step(self, epoch: int, index: int, batch: Batch, scorer: Scorer) -> None:
        """Make one step of the optimizer, number ``index`` of its epoch; the scorer gets the answers before it."""
        first, end = self._round(epoch)
        step, steps = (epoch - first) * self.epoch_steps + index, (end - first) * self.epoch_steps
        try:
            if self.pruner.before_step(step):
                self.dropouts.adjust(self.network)
            self.grids.before_step(step)
            moves = self.pruner.moves(step)
        except WeightError as error:
            raise self._diverged(epoch, index, "a weight") from error
        for group in self.optimizer.param_groups:
            group["lr"] = group["scale"] * learning_rate(self.options, step, steps)
        batch = self._augmented(batch).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"):
            outputs = self._outputs(batch)
        if outputs.dtype is torch.bfloat16:
            outputs = outputs.float()
        loss = self.objective(outputs, batch.labels, batch.teacher)
        if not torch.isfinite(loss):
            raise self._diverged(epoch, index, "the loss")
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + self.grids.price(step))
        if self.options.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters(), self.options.clip)
        self._count(batch, moves=moves)
        self.pruner.look(step)
        if moves:
            self._move(epoch, index, step)
        else:
            self.optimizer.step()
        if index == self.epoch_steps - 1 and not self.network.is_finite():
            raise self._diverged(epoch, index, "a weight")
        scorer.add(outputs.detach(), batch, loss.item())

    def _outputs(self, batch: Batch) -> torch.Tensor:
        return logits(self.network.module(*batch.inputs), self.options.loss, self.options.class_axis)

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _augmented(self, batch: Batch) -> Batch:
        if not self.options.shift and not self.options.flip:
            return batch
        inputs = tuple(self._moved(array) if array.ndim == 4 else array for array in batch.inputs)
        return Batch(inputs, batch.labels, None if self.teacher is None else self.teacher(inputs))

    def _moved(self, images: torch.Tensor) -> torch.Tensor:
        images = flipped(images) if self.options.flip else images
        return shifted(images, self.options.shift) if self.options.shift else images

    def _move(self, epoch: int, index: int, step: int) -> None:
        """Choose masks by the gradients of a step, which the optimizer does not take."""
        try:
            self.pruner.move(step, self.optimizer)
        except WeightError as error:
            raise self._diverged(epoch, index, "a weight") from error
        self.dropouts.adjust(self.network)

    def _count(self, batch: Batch, *, moves: bool) -> None:
        if self.multiply_adds is not None:
            densities = {name: self.network.density([name]) for name in self.network.masked}
            self.multiply_adds.add(len(batch), densities, dense_gradients=moves)

    def _round(self, epoch: int | None = None) -> tuple[int, int]:
        """Return the first epoch of the round of an epoch, the next one to be trained by default, and its end."""
        return self.rounds.of(len(self.done) if epoch is None else epoch)

    def _grid_schedule(self, epoch: int | None = None) -> GridSchedule:
        """Return the schedule of that round."""
        first, end = self._round(epoch)
        return GridSchedule(self.options, (end - first) * self.epoch_steps, self.epoch_steps)

    def _judged(self, search: Search, epoch: Epoch) -> Epoch:
        """Tell what an epoch was trained for; at the end of a round keep what is good and small, or go back to it."""
        steps = (epoch.number - self._round()[0]) * self.epoch_steps
        epoch = dataclasses.replace(epoch, rate=search.rate.at(self.grids.schedule.progress(steps)))
        if epoch.number < self._round()[1]:
            return epoch
        assert epoch.nbytes is not None, "there is no search without grids"
        drop = search.drop(self.network.values())
        if not search.judge(drop):
            if self.best is not None:
                self.network.module.load_state_dict(self.best.network)
        elif self.best is None or self.best.nbytes is None or epoch.nbytes < self.best.nbytes:
            self.best = Best(epoch.number, epoch.validation, self._snapshot(), epoch.nbytes)
        return dataclasses.replace(epoch, drop=drop.value)

    def _keep_if_best(self, validation: Score | None) -> None:
        """Remember the values, unless earlier ones were better; those before all has settled do not count."""
        if not self._settled(len(self.done) * self.epoch_steps):
            return
        known = None if self.best is None else self.best.score
        if validation is None or known is None or validation.better_than(known):
            self.best = Best(len(self.done), validation, self._snapshot())

    def _settled(self, steps: int) -> bool:
        """Tell whether masks and integers stay as they are after so many steps."""
        return self.pruner.settled(steps) and self.grids.settled(steps)

    def _patience_is_over(self) -> bool:
        if self.options.patience is None or self.best is None:
            return False
        return len(self.done) - self.best.epoch >= self.options.patience

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.network.module.state_dict().items()}

    def _diverged(self, epoch: int, index: int, what: str) -> TrainingError:
        return TrainingError(
            f"{what} is NaN or infinite in epoch {epoch + 1}, step {index + 1} of {self.epoch_steps}: try a smaller ",
            OptionName("lr"),
            f" than {self.options.lr:g}",
        )
