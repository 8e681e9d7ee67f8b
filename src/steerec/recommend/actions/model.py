"""A model of items and actions in turn: will this item be liked, and which liked item comes next?

HSTU's tasks (Zhai et al. 2024, arXiv 2402.17152, section 2.2) and, learned together, UniGRF (Zhang et al.
2025, arXiv 2504.16454): one causal network, ranking at the items, recall at the actions.

Legend: B persons, C candidates of one, N items, D width, T tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.config import Config
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError, NotFittedError
from steerec.hardware import device
from steerec.loop import TrainingConfig, train
from steerec.networks.actions import ActionNetwork
from steerec.networks.candidates import candidate_states, remember
from steerec.networks.sequence import HstuConfig, TransformerConfig
from steerec.recommend.actions.interleaving import ActionLesson, Past, action_lesson, interleave
from steerec.recommend.actions.losses import AdaptiveWeights, Enhancer
from steerec.recommend.actions.points import ActionPoints, pasts_of
from steerec.recommend.actions.requests import Emission, SampleBatches
from steerec.recommend.actions.step import ActionStep
from steerec.recommend.fitting import TRAINING, in_steps, kept, start_from_spectrum
from steerec.seeding import derive_seed

CARD, TENSORS = "action_model.json", "action_model.safetensors"
_BATCH = 256

Learns = Literal["action", "item", "both"]
SELECT = {"action": "auc", "item": "ndcg@10", "both": "both"}
"""Validation metric whose best weights are kept; both: the sum of the two others."""


class ActionConfig(Config):
    """Settings of a model of actions."""

    width: pydantic.PositiveInt = 64
    """D, width of item vectors and layers."""
    window: pydantic.PositiveInt = 50
    """Items of the history that the network sees, the most recent ones; it sees twice as many tokens."""
    encoder: Annotated[TransformerConfig | HstuConfig, pydantic.Field(discriminator="kind")] = HstuConfig()
    """The network, causal."""
    levels: tuple[float, ...] = (4.0,)
    """Ascending ratings that separate actions; whether a rating reaches each level is a task of its own."""
    liked_from: float = 4.0
    """The level that means liking: what `probabilities` says."""
    learns: Learns = "action"
    """The action at items (ranking), the next item at actions (recall), or both."""
    only_liked: bool = True
    """Whether only liked items are targets of recall."""
    names_item: bool = True
    """Whether an action's token carries its item's vector too."""
    emit: Emission = "request"
    """One training sample per request end, or one per impression."""
    request_gap_s: pydantic.PositiveInt = 1800
    """Longest pause within a request, in seconds."""
    item_weight: pydantic.PositiveFloat = 1.0
    """Weight of recall's loss where both are learned, against 1 for the action's."""
    adaptive: AdaptiveWeights | None = None
    """How the two weights follow the losses; None: they stay."""
    enhancer: Enhancer | None = None
    """How ranking teaches recall; None: it does not."""
    warm_start: float = pydantic.Field(0.1, ge=0)
    """Standard deviation of item vectors taken from the spectrum of the training transitions; 0: random."""
    batch_size: pydantic.PositiveInt = 32
    """Samples of a batch, about."""
    epochs: pydantic.PositiveFloat = 12.0
    """Passes over the training impressions; `training.max_steps` is an upper limit."""
    num_evaluations: pydantic.PositiveInt = 8
    """Evaluations over the whole training where `training.eval_steps` is None."""
    max_points: pydantic.PositiveInt = 5000
    """Validation points at each evaluation."""
    training: TrainingConfig = TRAINING
    """Optimisation; the weights that are best on validation are kept."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> ActionConfig:
        if self.width % self.encoder.num_heads:
            raise ValueError(f"width {self.width} must be a multiple of num_heads {self.encoder.num_heads}")
        if self.encoder.mask != "causal":
            raise ValueError('actions are foretold from what came before: the encoder needs mask "causal"')
        if list(self.levels) != sorted(set(self.levels)) or self.liked_from not in self.levels:
            raise ValueError(
                f"levels must ascend and hold liked_from, got {self.levels} and {self.liked_from}"
            )
        if self.training.gradient_accumulation_steps != 1:
            raise ValueError("batches fit in memory: use batch_size, not gradient_accumulation_steps")
        if self.follows_steps and self.learns != "both":
            raise ValueError(
                f'adaptive and enhancer join two tasks: they need learns "both", got "{self.learns}"'
            )
        if self.follows_steps and self.training.save_steps is not None:
            raise ValueError(
                "adaptive and enhancer follow the steps so far, which a checkpoint does not hold: leave "
                "training.save_steps out"
            )
        return self

    @property
    def follows_steps(self) -> bool:
        """Whether learning depends on earlier steps in a way that no checkpoint holds."""
        return self.adaptive is not None or self.enhancer is not None

    @property
    def liked_action(self) -> int:
        """Least action that means liking."""
        return self.levels.index(self.liked_from) + 1


class ActionModel:
    """Foretells what is done with an item, and which item comes next.

    Attributes:
        config: the configuration in use.
        network: the network; None before fitting.
    """

    def __init__(self, config: ActionConfig | None = None) -> None:
        self.config = ActionConfig() if config is None else config
        self._network: ActionNetwork | None = None
        self._catalog: Catalog | None = None

    @property
    def network(self) -> ActionNetwork:
        """The fitted network.

        Raises:
            NotFittedError: it was not fitted.
        """
        if self._network is None:
            raise NotFittedError("ActionModel is not fitted: call fit(split), or load a saved one.")
        return self._network

    # Training -----------------------------------------------------------------------------------------

    def fit(self, split: Split, folder: Path | None = None) -> Self:
        """Fit on the training part; the weights best on validation are kept.

        Args:
            split: with ratings; test points are never looked at.
            folder: where training keeps its log and checkpoints; a temporary folder where None.

        Raises:
            DataError: the log has no ratings, or no impressions to train on.
        """
        pasts = pasts_of(split, self.config.levels)
        if not any(len(past.items) for past in pasts):
            raise DataError(f"The training part of the {split.name} split has no interactions.")
        torch.manual_seed(derive_seed(self.config.training.seed, "actions", "weights"))
        self._catalog = split.catalog
        self._network = self._build(len(split.catalog)).to(device())
        if self.config.warm_start > 0:
            start_from_spectrum(self._network, split, self.config.warm_start)
        with kept(folder) as place:
            self._train(split, pasts, place)
        return self

    def _train(self, split: Split, pasts: list[Past], folder: Path) -> None:
        config = self.config
        lessons = ActionLessons(pasts, config)
        points = ActionPoints.of(split, config.levels, limit=config.max_points)

        def evaluate(_: nn.Module) -> dict[str, float]:
            metrics = points.metrics(*self.both(points.pasts, points.items, points.now), config.liked_action)
            return metrics | {"both": metrics["auc"] + metrics["ndcg@10"]}

        training = in_steps(
            config.training,
            config.epochs,
            lessons.steps_per_epoch,
            config.num_evaluations,
            can_evaluate=bool(points),
        )
        if config.follows_steps:
            training = training.replace(save_steps=None)
        train(
            self.network,
            lessons,
            ActionStep(
                config.learns, config.item_weight, config.liked_action, config.adaptive, config.enhancer
            ),
            training,
            folder,
            stage="actions",
            evaluate=evaluate if points else None,
            select=SELECT[config.learns] if points else None,
        )

    def _build(self, num_items: int) -> ActionNetwork:
        config = self.config
        return ActionNetwork(
            config.encoder,
            num_items=num_items,
            num_actions=len(config.levels) + 1,
            num_tasks=len(config.levels),
            width=config.width,
            window=config.window,
            names_item=config.names_item,
        )

    # Asking -------------------------------------------------------------------------------------------

    @torch.no_grad()
    def probabilities(
        self, pasts: Sequence[Past], candidates: Sequence[NDArray[np.int64]], now: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Return how likely each candidate is to be liked; a history is run once for all its candidates.

        Args:
            pasts: B histories with their actions, oldest first; empty ones are allowed.
            candidates: B arrays of C items, none empty.
            now: B seconds at which the candidates are shown; None: with the last item of the history.

        Returns:
            B arrays (C,) in (0, 1).
        """
        network = self.network.eval()
        found = []
        for row, (past, some) in enumerate(zip(pasts, candidates, strict=True)):
            past = past.last(self.config.window)
            moment = None if now is None else int(now[row])
            if moment is None and past.times is not None and len(past.times):
                moment = int(past.times[-1])
            items = torch.from_numpy(np.asarray(some, np.int64)).to(device())
            if len(past.items):
                tokens = interleave([past]).to(device())
                memory = remember(network, tokens.items, tokens.times, tokens.actions)
                states = candidate_states(network, memory, items, moment)
            else:
                states = network(
                    interleave([past] * len(some), [one[None] for one in some.astype(np.int64)]).to(device())
                )
            found.append(self._liked(network.foretell(states)).cpu().numpy())
        return found

    def scores(self, pasts: Sequence[Past]) -> NDArray[np.float32]:
        """Score the whole catalogue as the next item, (B, N); the history is not masked.

        Args:
            pasts: B histories with their actions, none empty.
        """
        return self.both(pasts, np.zeros(len(pasts), np.int64), None)[1]

    @torch.no_grad()
    def both(
        self, pasts: Sequence[Past], items: NDArray[np.int64], now: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how likely one item each is to be liked, (B,), and scores of the next item, (B, N).

        Args:
            pasts: B histories with their actions, none empty.
            items: (B,) one candidate each.
            now: (B,) seconds; see `probabilities`.
        """
        network = self.network.eval()
        head = network.head()
        liked, scores = [], []
        for start in range(0, len(pasts), _BATCH):
            part = slice(start, start + _BATCH)
            recent = [past.last(self.config.window) for past in pasts[part]]
            batch = interleave(
                recent, [one[None] for one in items[part]], None if now is None else now[part].tolist()
            )
            ends = torch.tensor([2 * len(past.items) + 1 for past in recent]).cumsum(0) - 1
            states = network(batch.to(device()))
            liked.append(self._liked(network.foretell(states[ends])).cpu().numpy())
            scores.append(functional.linear(states[ends - 1], head.vectors, head.bias).cpu().numpy())
        return np.concatenate(liked), np.concatenate(scores)

    def _liked(self, logits: Tensor) -> Tensor:
        return logits[:, self.config.liked_action - 1].sigmoid()

    # Saving -------------------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path) -> None:
        """Write the catalogue, `action_model.json` and `action_model.safetensors` into a folder.

        Raises:
            NotFittedError: it was not fitted.
        """
        network, folder = self.network, Path(folder)
        assert self._catalog is not None
        self._catalog.save(folder)
        with atomic_path(folder / TENSORS) as temporary:
            save_file({name: one.contiguous().cpu() for name, one in network.state_dict().items()}, temporary)
        write_json(
            folder / CARD, {"schema": 1, "config": self.config, "catalogue_sha256": self._catalog.sha256}
        )

    @classmethod
    def from_pretrained(cls, folder: Path, catalog: Catalog | None = None) -> Self:
        """Read what `save_pretrained` wrote.

        Args:
            folder: the folder.
            catalog: the catalogue it was fitted on; read from the folder where None.

        Raises:
            DataError: the folder holds no model of actions, or one of another catalogue.
        """
        folder = Path(folder)
        if not (folder / CARD).is_file():
            raise DataError(f"{folder} holds no model of actions: it has no {CARD}.")
        card = read_json(folder / CARD)
        catalog = Catalog.load(folder) if catalog is None else catalog
        if catalog.sha256 != card["catalogue_sha256"]:
            raise DataError(f"The model in {folder} was fitted on another catalogue. Fit it again.")
        model = cls(ActionConfig.model_validate(card["config"]))
        model._catalog = catalog
        model._network = model._build(len(catalog))
        model._network.load_state_dict(load_file(folder / TENSORS))
        model._network.to(device()).eval()
        return model


class ActionLessons:
    """`(step, micro) -> ActionLesson`, a pure function of the step."""

    def __init__(self, pasts: Sequence[Past], config: ActionConfig) -> None:
        self._pasts, self._wanted = pasts, config.liked_action if config.only_liked else 0
        times = [past.times for past in pasts if past.times is not None]
        self._samples = SampleBatches(
            [len(past.items) for past in pasts],
            times if len(times) == len(pasts) else None,
            emit=config.emit,
            gap_s=config.request_gap_s,
            window=config.window,
            batch_size=config.batch_size,
            seed=config.training.seed,
        )
        self.steps_per_epoch = self._samples.steps_per_epoch

    def __call__(self, step: int, micro: int = 0) -> ActionLesson:
        """Return the lesson of a step; `micro` is part of the interface and unused."""
        del micro
        samples = self._samples(step)
        pasts = []
        for one in samples:
            past, where = self._pasts[one.user], slice(int(one.places[0]), int(one.places[-1]) + 1)
            times = None if past.times is None else past.times[where]
            pasts.append(Past(past.items[where], past.actions[where], times))
        return action_lesson(pasts, [one.first for one in samples], self._wanted).to(device())
