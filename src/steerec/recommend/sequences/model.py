"""Recommenders that read a sequence of items: one class, whose configuration says which network learns what.

SASRec (Kang and McAuley 2018) with full cross-entropy is the default; HSTU, BERT4Rec, GRU4Rec and others are
other encoders, tasks and losses. Departures of the default, each a setting: item vectors start from the
spectrum of the training transitions, attention has a bias per distance, windows are cut at random offsets.

Legend: S histories, F flat places, D width, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from steerec.data.split import Split
from steerec.errors import DataError
from steerec.hardware import device
from steerec.loop import StepOutput, train
from steerec.networks.heterogeneous import HeterogeneousNetwork
from steerec.networks.sequence import SequenceNetwork
from steerec.recommend.fitting import kept
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.lessons import Lessons, learn
from steerec.recommend.sequences.pretraining import PRETRAINED, PretrainingConfig, pretrain
from steerec.recommend.sequences.refresh import carry_over, newest
from steerec.recommend.sequences.replaced import learn_replaced
from steerec.recommend.sequences.spectrum import spectral_embeddings
from steerec.recommend.sequences.steps_ahead import learn_ahead
from steerec.recommend.sequences.tasks import Lesson, ReplacedItems, question
from steerec.recommend.sequences.text import Given, fit_to, given_vectors
from steerec.recommend.validation import Validation
from steerec.seeding import derive_seed

_SCORE_BATCH = 256


class SequenceModel(Recommender):
    """A network over the items of a history; its scores of the next item are the scores."""

    name = "sequence"
    config_type = SequenceConfig
    config: SequenceConfig
    network: SequenceNetwork

    # Training -----------------------------------------------------------------------------------------

    def _fit(self, split: Split, folder: Path | None) -> None:
        torch.manual_seed(derive_seed(self.config.training.seed, self.name, "weights"))
        given = self._given(split)
        self.network = self._build(given, torch.from_numpy(_seen(split))).to(device())
        if self.config.warm_start > 0:
            self._start_warm(split)
        self._count_repeats(split)
        with kept(folder) as place:
            if self.config.pretraining is not None:
                self._pretrain(split, self.config.pretraining, place / "pretraining")
            self._train(split, place, self.config)
            (place / "pretraining" / PRETRAINED).unlink(missing_ok=True)
        if given is not None:
            self._introduce(_seen(split))

    def fit_partial(self, split: Split, *, since: int | None = None, folder: Path | None = None) -> Self:
        """Go on from the weights as they are, see `Recommender.fit_partial`.

        Raises:
            DataError: it reads text, and the catalogue is another one.
        """
        if not self.is_fitted:
            return self.fit(split, folder)
        if self.config.text is not None and split.catalog.sha256 != self.catalog.sha256:
            raise DataError(
                "A model that reads text sees the items of a catalogue beside one another, and this is "
                "another catalogue. Fit it again; models of ids alone learn from a larger one."
            )
        part = split if since is None else newest(split, since, self.config.window)
        earlier, old = self.catalog, self.network
        counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
        self._catalog, self._popularity = split.catalog, np.log(counts + 0.5).astype(np.float32)
        given = self._given(split)
        self.network = self._build(given, torch.from_numpy(_seen(split))).to(device())
        if given is None:
            carry_over(old, self.network, earlier, split)
        else:
            self.network.load_state_dict(old.state_dict() | {"seen": self.network.seen})
        if self.config.repeats == "counted":
            self._count_repeats(split)
        with kept(folder) as place:
            self._train(split, place, self.config.refreshing, part)
        if given is not None:
            self._introduce(_seen(split))
        self.scale = 1.0
        self._calibrate(Validation.of(split, limit=self.config.max_points))
        return self

    def _train(self, split: Split, folder: Path, config: SequenceConfig, part: Split | None = None) -> None:
        """Train on the split, or on a part of it; the weights are chosen on all its validation points."""
        lessons = Lessons(split if part is None else part, config)
        validation = Validation.of(split, limit=config.max_points)

        def evaluate(_: nn.Module) -> dict[str, float]:
            return validation.of_scorer(self._scores_at)

        train(
            self.network,
            lessons,
            self._step(config),
            config.schedule(lessons.steps_per_epoch, bool(validation)),
            folder,
            stage=self.name,
            evaluate=evaluate if validation else None,
            select="ndcg@10" if validation else None,
        )

    def _step(self, config: SequenceConfig) -> Callable[[nn.Module, Lesson], StepOutput]:
        popularity = torch.from_numpy(np.exp(self._popularity) - 0.5).to(device())
        if isinstance(config.task, ReplacedItems):
            return learn_replaced(config.loss, popularity, config.task.weight)
        return (learn if config.heterogeneous is None else learn_ahead)(config.loss, popularity)

    def _pretrain(self, split: Split, pretraining: PretrainingConfig, folder: Path) -> None:
        config = self.config
        seed = config.training.seed
        pretrain(
            self.network, split, pretraining, config.loss, folder, batch_size=config.batch_size, seed=seed
        )

    def _count_repeats(self, split: Split) -> None:
        if self.network.again is not None:
            nn.init.constant_(self.network.again, repeat_odds(split.train))

    def _given(self, split: Split) -> Given | None:
        """Return what the catalogue says of items, where the network reads that."""
        return None if self.config.text is None else given_vectors(split.catalog, self.config.text)

    def _build(self, given: Given | None, seen: Tensor | None) -> SequenceNetwork:
        config = self.config
        settings: dict[str, Any] = {
            "config": config.encoder,
            "num_items": len(self.catalog),
            "width": config.width,
            "window": config.window,
            "given": None if given is None else given.table,
            "learned": config.text is None or config.text.ids,
            "seen": seen,
            "id_dropout": 0.0 if config.text is None else config.text.id_dropout,
            "cosine_temperature": config.cosine_temperature,
            "repeats": config.repeats,
            "detects": isinstance(config.task, ReplacedItems),
        }
        if config.heterogeneous is None:
            return SequenceNetwork(**settings)
        assert given is not None
        return HeterogeneousNetwork(config.heterogeneous, given.widths, config.encoder.dropout, **settings)

    def _start_warm(self, split: Split) -> None:
        """Start from the spectrum: text from what it can say of it, learned vectors from the rest."""
        vectors = self.config.warm_start * spectral_embeddings(
            split.train, len(split.catalog), self.config.width
        )
        with torch.no_grad():
            if self.network.project_given is not None:
                table = self.network.given.cpu().numpy()
                weights = fit_to(vectors, table, _seen(split))
                self.network.project_given.weight.copy_(torch.from_numpy(weights.T))
                vectors = np.where(_seen(split)[:, None], vectors - table @ weights, 0.0)
            if self.network.items is not None:
                self.network.items.weight[:-1] = torch.from_numpy(vectors)
            if not self.network.by_distance:
                self.network.item_bias.copy_(torch.from_numpy(self._popularity))

    def _introduce(self, seen: NDArray[np.bool_]) -> None:
        """Give items that training never saw the bias that their text lets expect of those it saw."""
        table, bias = (one.detach().cpu().numpy() for one in (self.network.given, self.network.item_bias))
        mean = bias[seen].mean()
        expected = mean + table @ fit_to(bias[:, None] - mean, table, seen)[:, 0]  # (N,)
        with torch.no_grad():
            self.network.item_bias.copy_(torch.from_numpy(np.where(seen, bias, expected)))

    # Scoring ------------------------------------------------------------------------------------------

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        return self._scores_at(histories, None)

    @torch.no_grad()
    def _scores_at(
        self, histories: list[NDArray[np.int64]], times: list[NDArray[np.int64]] | None
    ) -> NDArray[np.float32]:
        self.network.eval()
        head = self.network.head()
        parts = []
        for start in range(0, len(histories), _SCORE_BATCH):
            part = slice(start, start + _SCORE_BATCH)
            states = self.states(histories[part], None if times is None else times[part])
            scores = functional.linear(states, head.vectors, head.bias)
            if head.again is not None:
                recent = [history[-self.config.window :] for history in histories[part]]
                rows = np.repeat(np.arange(len(recent)), [len(one) for one in recent])
                scores[rows, np.concatenate(recent)] += head.again  # once, however often an item is there
            parts.append(scores.float().cpu().numpy())
        return np.concatenate(parts)

    @torch.no_grad()
    def states(
        self, histories: Sequence[NDArray[np.int64]], times: Sequence[NDArray[np.int64]] | None = None
    ) -> Tensor:
        """Return what the network makes of histories, (S, D).

        Args:
            histories: none of them empty.
            times: seconds of their items; None where they are not known.
        """
        window, config = self.config.window, self.config
        recent = [history[-window:] for history in histories]
        when = None if times is None or not config.looks_at_moments else [one[-window:] for one in times]
        batch, places = question(recent, when, config.task, len(self.catalog))
        device = self.network.item_bias.device
        states: Tensor = self.network(batch.to(device))[places.to(device)]
        return states

    def _similarity(self, item: int) -> NDArray[np.float32]:
        """Cosine of the item vectors."""
        unit = functional.normalize(self.network.head().vectors.detach(), dim=1)  # (N, D)
        return np.asarray((unit @ unit[item]).cpu().numpy(), dtype=np.float32)

    # Saving -------------------------------------------------------------------------------------------

    def _state(self) -> Arrays:
        return {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        given = None
        if self.config.text is not None:
            given = Given(tensors["given"], tensors.get("widths", torch.empty(0, dtype=torch.int64)))
        self.network = self._build(given, None)
        self.network.load_state_dict(tensors)
        self.network.to(device()).eval()


def repeat_odds(sequences: Sequence[NDArray[np.int64]]) -> float:
    """Return the logarithm of the odds that an item was in its sequence before, half a case added to each."""
    transitions = sum(max(0, len(one) - 1) for one in sequences)
    repeats = sum(len(one) - len(np.unique(one)) for one in sequences)
    return float(np.log((repeats + 0.5) / (transitions - repeats + 0.5)))


def _seen(split: Split) -> NDArray[np.bool_]:
    """Return (N,) whether training has an item."""
    return np.asarray(np.bincount(np.concatenate(split.train), minlength=len(split.catalog)) > 0)
