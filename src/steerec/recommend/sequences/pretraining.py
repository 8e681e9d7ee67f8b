"""S3-Rec: a sequence network learns from the data itself before it learns the next item.

Four tasks (Zhou et al. 2020, arXiv 2008.07873): which attributes has an item, seen among others (item and
attribute); which item is hidden here (sequence and item); which attributes has the hidden one (sequence and
attribute); which piece was cut out of this sequence (sequence and segment). The network looks both ways
meanwhile; afterwards it looks back only and learns the next item as it would have from scratch.

Departures: hidden items are judged by the model's own loss, not against one negative; a segment is read at
its places without masks around it, and told from those of the whole batch, not from one other.

Legend: S windows, P predictions, F flat places, N items, A attributes, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from steerec.artifacts import atomic_path
from steerec.config import Config
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.loop import StepOutput, TrainingConfig, train
from steerec.networks.attention import Layer, Mask, Sequences
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import AttentionEncoder, SequenceNetwork
from steerec.recommend.sequences.attributes import attribute_tables
from steerec.recommend.sequences.losses import LossConfig, next_item_loss
from steerec.recommend.sequences.windows import EpochBatches
from steerec.seeding import derive_seed, numpy_rng

Ints = NDArray[np.int64]
PRETRAINED = "pretrained.safetensors"
_TASKS = ("item_attribute", "masked_item", "masked_attribute", "segment")


class PretrainingConfig(Config):
    """What is learned before the next item; weights of the four losses as published."""

    epochs: pydantic.PositiveFloat = 10.0
    """Passes over the training sequences; `training.max_steps` is an upper limit."""
    masked_share: float = pydantic.Field(0.2, gt=0, lt=1)
    """Of the items of a window that are hidden, at least one."""
    item_attribute: pydantic.NonNegativeFloat = 0.2
    """Weight of the attributes of the items that are seen."""
    masked_item: pydantic.NonNegativeFloat = 1.0
    """Weight of the hidden items."""
    masked_attribute: pydantic.NonNegativeFloat = 1.0
    """Weight of the attributes of the hidden items."""
    segment: pydantic.NonNegativeFloat = 0.5
    """Weight of the segments."""
    training: TrainingConfig = TrainingConfig(
        max_steps=200_000, learning_rate=1e-3, adam_beta2=0.98, warmup_ratio=0.04
    )
    """Optimisation."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> PretrainingConfig:
        if self.training.gradient_accumulation_steps != 1 or self.training.patience is not None:
            raise ValueError("pretraining has neither micro-batches nor evaluations to be patient about")
        return self


class PretrainingLesson(NamedTuple):
    """Windows laid out three times over: with hidden items, without a segment, and the segment alone."""

    batch: Sequences
    hidden: Tensor
    """(P,) flat places of hidden items."""
    hidden_items: Tensor
    """(P,) what was there."""
    shown: Tensor
    """(P',) flat places of the others of those windows."""
    shown_items: Tensor
    """(P',)."""
    rests: Tensor
    """(S,) flat places of the last token of each window without its segment."""
    segments: Tensor
    """(S,) flat places of the last token of each segment."""

    def to(self, device: torch.device) -> PretrainingLesson:
        """Return the same on a device."""
        return PretrainingLesson(self.batch.to(device), *(one.to(device) for one in self[1:]))


def pretraining_lesson(
    windows: Sequence[Ints], masked_share: float, num_items: int, rng: np.random.Generator
) -> PretrainingLesson:
    """Lay out windows for the four tasks.

    Args:
        windows: S windows of at least two items, oldest first.
        masked_share: of the items that are hidden.
        num_items: N, the index of the mask.
        rng: draws what is hidden and which segments.
    """
    masked, rests, segments, hidden = [], [], [], []
    starts = []
    for items in windows:
        size = len(items)
        gone = np.zeros(size, dtype=np.bool_)
        gone[rng.choice(size, size=max(1, round(masked_share * size)), replace=False)] = True
        hidden.append(gone)
        masked.append(np.where(gone, num_items, items))
        length = int(rng.integers(1, size // 2 + 1))
        start = int(rng.integers(size - length + 1))
        inside = (np.arange(size) >= start) & (np.arange(size) < start + length)
        rests.append(np.where(inside, num_items, items))
        segments.append(items[inside])
        starts.append(start)
    rows = [*masked, *rests, *segments]
    lengths = [len(row) for row in rows]
    first = [0] * (2 * len(windows)) + starts
    positions = [begin + np.arange(length) for begin, length in zip(first, lengths, strict=True)]
    batch = Sequences(_joined(rows), _joined(positions), plan_flat(lengths))
    ends = np.cumsum(lengths) - 1
    whole, is_hidden = np.concatenate(windows), np.concatenate(hidden)
    places = (np.flatnonzero(is_hidden), np.flatnonzero(~is_hidden))
    return PretrainingLesson(
        batch,
        torch.from_numpy(places[0]),
        torch.from_numpy(whole[places[0]]),
        torch.from_numpy(places[1]),
        torch.from_numpy(whole[places[1]]),
        torch.from_numpy(ends[len(windows) : 2 * len(windows)]),
        torch.from_numpy(ends[2 * len(windows) :]),
    )


def _joined(rows: list[Ints]) -> Tensor:
    return torch.from_numpy(np.concatenate(rows))


def attribute_loss(states: Tensor, vectors: Tensor, has: Tensor) -> Tensor:
    """Return the binary cross-entropy of sigma(states vectors^T), summed over predictions and attributes.

    The paper's bound contrasts an attribute with those an item lacks; its code has this form (equations 4
    and 6).

    Args:
        states: (P, D).
        vectors: (A, D).
        has: (P, A), 1 where the item has the attribute, else 0.
    """
    return functional.binary_cross_entropy_with_logits(states @ vectors.T, has, reduction="sum")


def segment_loss(rests: Tensor, segments: Tensor) -> Tensor:
    """Return the summed cross-entropy of telling which segment belongs to which rest (equation 7).

    Args:
        rests: (S, D); the segments of the others are the wrong answers.
        segments: (S, D).
    """
    belongs = torch.arange(len(rests), device=rests.device)
    return functional.cross_entropy(rests @ segments.T, belongs, reduction="sum")


class _Pretraining(nn.Module):
    """The network, vectors of attributes, and one bilinear form for each task."""

    has: Tensor
    """(N, A)."""

    def __init__(self, network: SequenceNetwork, has: Tensor, width: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("has", has, persistent=False)
        self.attributes = nn.Embedding(has.shape[1], width)
        forms = {task: nn.Linear(width, width, bias=False) for task in _TASKS}
        for form in forms.values():
            nn.init.eye_(form.weight)
        self.forms = nn.ModuleDict(forms)
        nn.init.normal_(self.attributes.weight, std=0.1)


@contextmanager
def looking_both_ways(network: SequenceNetwork) -> Iterator[None]:
    """Let a causal attention network look at what follows, for a while.

    Raises:
        ValueError: its encoder is not made of attention layers.
    """
    encoder = network.encoder
    if not isinstance(encoder, AttentionEncoder):
        raise ValueError(f"Only attention can look both ways, the encoder is {type(encoder).__name__}.")
    layers = [layer for layer in encoder.layers if isinstance(layer, Layer)]
    before: list[Mask] = [layer.mask for layer in layers]
    both: Literal["bidirectional"] = "bidirectional"
    for layer in layers:
        layer.mask = both
    try:
        yield
    finally:
        for layer, mask in zip(layers, before, strict=True):
            layer.mask = mask


def pretrain(
    network: SequenceNetwork,
    split: Split,
    config: PretrainingConfig,
    loss: LossConfig,
    folder: Path,
    *,
    batch_size: int,
    seed: int,
) -> None:
    """Train a network on the four tasks, in place; what a folder holds already is taken from there.

    Args:
        network: with causal attention.
        split: its training sequences and the category columns of its catalogue are used.
        config: epochs, weights.
        loss: how hidden items are judged.
        folder: receives the log, and `PRETRAINED` for a training that is killed later.
        batch_size: windows of a batch, about.
        seed: of everything random.

    Raises:
        DataError: the catalogue has no category column.
    """
    done = folder / PRETRAINED
    if done.is_file():
        network.load_state_dict(load_file(done))
        return
    tables = list(attribute_tables(split.catalog).values())
    if not tables:
        raise DataError(
            f"The {split.catalog.noun} have no category column with a value that several share: pretraining "
            "predicts such values. Add a column of categories, or set pretraining to null."
        )
    device = network.item_bias.device
    has = torch.from_numpy(np.concatenate(tables, axis=1)).to(device)
    torch.manual_seed(derive_seed(seed, "pretraining", "weights"))
    model = _Pretraining(network, has, network.vectors().shape[1]).to(device)
    lessons = _Lessons(split, config.masked_share, network.window, batch_size, seed, device)
    steps = min(config.training.max_steps, math.ceil(config.epochs * lessons.steps_per_epoch))
    training = config.training.replace(max_steps=steps, seed=seed)
    counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
    popularity = torch.from_numpy(counts.astype(np.float32)).to(device)
    with looking_both_ways(network):
        train(model, lessons, _learn(config, loss, popularity), training, folder, stage="pretraining")
    with atomic_path(done) as temporary:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, temporary)


class _Lessons:
    """`(step, micro) -> PretrainingLesson`, a pure function of the step."""

    def __init__(
        self, split: Split, share: float, window: int, batch_size: int, seed: int, device: torch.device
    ) -> None:
        self._items, self._num_items, self._share = split.train, len(split.catalog), share
        self._seed, self._device = seed, device
        self._windows = EpochBatches(
            [len(items) for items in split.train],
            window=window,
            batch_size=batch_size,
            seed=derive_seed(seed, "pretraining"),
        )
        self.steps_per_epoch = self._windows.steps_per_epoch

    def __call__(self, step: int, micro: int = 0) -> PretrainingLesson:
        rng = numpy_rng(self._seed, "pretraining", step, micro)
        items = [self._items[one.user][one.places] for one in self._windows(step, micro)]
        return pretraining_lesson(items, self._share, self._num_items, rng).to(self._device)


def _learn(
    config: PretrainingConfig, loss: LossConfig, popularity: Tensor
) -> Callable[[nn.Module, PretrainingLesson], StepOutput]:
    """Return the step function: the four losses, weighed, per window; popularity: (N,) training counts."""

    def step(model: nn.Module, lesson: PretrainingLesson) -> StepOutput:
        assert isinstance(model, _Pretraining)
        network, forms, attributes = model.network, model.forms, model.attributes.weight
        states = network(lesson.batch)  # (F, D)
        hidden = states[lesson.hidden]
        losses = {
            "item_attribute": attribute_loss(
                forms["item_attribute"](states[lesson.shown]), attributes, model.has[lesson.shown_items]
            ),
            "masked_item": next_item_loss(
                forms["masked_item"](hidden), lesson.hidden_items, network.head(), loss, popularity
            ),
            "masked_attribute": attribute_loss(
                forms["masked_attribute"](hidden), attributes, model.has[lesson.hidden_items]
            ),
            "segment": segment_loss(forms["segment"](states[lesson.rests]), states[lesson.segments]),
        }
        total = torch.stack([getattr(config, task) * lost for task, lost in losses.items()]).sum()
        said = {f"{task}_loss": float(lost.detach()) for task, lost in losses.items()}
        return StepOutput(total, float(len(lesson.rests)), said, len(lesson.batch.items))

    return step
