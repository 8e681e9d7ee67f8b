"""Training batches of a sequence model, and the step that learns from one.

Legend: N items.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from steerec.data.split import Split
from steerec.errors import DataError
from steerec.hardware import device
from steerec.loop import StepOutput
from steerec.networks.attention import Sequences
from steerec.networks.repeats import Seen, items_seen
from steerec.networks.sequence import SequenceNetwork
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.losses import LossConfig, next_item_loss
from steerec.recommend.sequences.tasks import (
    Lesson,
    lesson,
)
from steerec.recommend.sequences.windows import EpochBatches
from steerec.seeding import numpy_rng


class Lessons:
    """`(step, micro) -> Lesson`, a pure function of the step: windows of an epoch laid out for the task.

    The windows of a step are dealt to its `gradient_accumulation_steps` parts: processes can share it.
    """

    def __init__(self, split: Split, config: SequenceConfig) -> None:
        """Prepare the windows.

        Args:
            split: its training part is used.
            config: window, task, seed.

        Raises:
            DataError: there are fewer sequences to learn from than parts of a step.
        """
        self._config, self._items, self._num_items = config, split.train, len(split.catalog)
        self._times = None
        if split.times is not None and config.looks_at_moments:
            self._times = split.times
        self._windows = EpochBatches(
            [len(items) for items in split.train],
            window=config.window,
            batch_size=config.batch_size,
            seed=config.training.seed,
            alpha=config.stochastic_length,
        )
        self._parts = config.training.gradient_accumulation_steps
        usable = sum(len(items) > 1 for items in split.train)
        if usable < self._parts:
            raise DataError(
                f"{usable} users have two training items or more, and a step has {self._parts} parts. Lower "
                "gradient_accumulation_steps."
            )
        self.steps_per_epoch = self._windows.steps_per_epoch

    def __call__(self, step: int, micro: int = 0) -> Lesson:
        """Return the lesson of a step."""
        rng = numpy_rng(self._config.training.seed, "lesson", step, micro)
        windows = self._windows(step)[micro :: self._parts]
        times = None
        if self._times is not None and rng.random() >= self._config.timeless_share:
            times = [self._times[one.user][one.places] for one in windows]
        items = [self._items[one.user][one.places] for one in windows]
        return lesson(items, times, self._config.task, self._num_items, rng).to(device())


def looked_back_on(network: SequenceNetwork, batch: Sequences, places: Tensor) -> Seen | None:
    """Return the items that predictions see; None where training does not score them apart."""
    if network.again is None or not network.again.requires_grad:
        return None
    return items_seen(batch, places, network.mask, len(network.item_bias))


def learn(loss: LossConfig, popularity: Tensor) -> Callable[[nn.Module, Lesson], StepOutput]:
    """Return the step function: the loss summed over all predictions.

    Args:
        loss: which.
        popularity: (N,) training counts.
    """

    def step(network: nn.Module, given: Lesson) -> StepOutput:
        assert isinstance(network, SequenceNetwork)
        states = network(given.batch)[given.places]
        head = network.head()
        lost = next_item_loss(
            states, given.targets, head, loss, popularity, looked_back_on(network, given.batch, given.places)
        )
        count = len(given.targets)
        return StepOutput(lost, float(count), {}, len(given.batch.items))

    return step
