"""RecGPT: items as words of a conversation (Zhang et al., Kuaishou 2024, arXiv 2404.08675).

A causal model of item ids is trained on the next item. Then its own best guesses are put into the histories
as prompts, with what came of them, and it goes on learning. Asked for a list, it recalls from its state, says
its best item to itself, recalls from the next state, and merges: several interests, one after another.

Legend: B histories, N items, M guesses kept, K list, n items of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch.nn import functional

from steerec.config import Config
from steerec.data.split import Split
from steerec.hardware import device
from steerec.loop import TrainingConfig, train
from steerec.metrics.ranking import history_mask
from steerec.networks.actions import NO_ACTION
from steerec.networks.attention import Sequences
from steerec.networks.prompts import PASSED, TAKEN, PromptNetwork
from steerec.networks.ragged import plan_flat
from steerec.recommend.fitting import TRAINING, in_steps, kept, start_from_spectrum
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.lessons import Lessons, learn
from steerec.recommend.sequences.tasks import Lesson, NextItem
from steerec.recommend.sequences.windows import EpochBatches, cut_windows
from steerec.recommend.validation import Validation
from steerec.seeding import derive_seed, numpy_rng

Ints = NDArray[np.int64]
_BATCH = 256


class PromptConfig(Config):
    """Settings of RecGPT."""

    model: SequenceConfig = SequenceConfig(repeats=None)
    """The sequence model and its pre-training on the next item."""
    personal: bool = True
    """Whether tokens carry the user."""
    num_prompts: pydantic.PositiveInt = 5
    """Guesses put into each window, at random places."""
    num_guesses: pydantic.PositiveInt = 3
    """M, best guesses at a place of which one is drawn."""
    horizon: pydantic.PositiveInt = 10
    """Items ahead in which a guess that turns up counts as taken."""
    epochs: pydantic.NonNegativeFloat = 4.0
    """Passes with prompts; 0: none, pre-training alone."""
    num_evaluations: pydantic.PositiveInt = 4
    """Evaluations during these passes."""
    training: TrainingConfig = TRAINING.replace(learning_rate=5e-4)
    """Optimisation of these passes; the weights with the best validation ndcg@10 are kept."""
    assumed: Literal["taken", "passed"] = "passed"
    """What is assumed to come of the item that the model says to itself: further items matter to who passes
    over it."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> PromptConfig:
        if not isinstance(self.model.task, NextItem) or getattr(self.model.encoder, "mask", "") != "causal":
            raise ValueError('prompts need causal attention and the task "next_item"')
        if self.model.repeats is not None:
            raise ValueError("prompts need repeats=None: a guess that was said may still be taken")
        return self


class RecGPT(Recommender):
    """A sequence model that reads its own guesses, and recalls in several steps."""

    name = "recgpt"
    config_type = PromptConfig
    config: PromptConfig
    network: PromptNetwork

    def _fit(self, split: Split, folder: Path | None) -> None:
        model = self.config.model
        torch.manual_seed(derive_seed(model.training.seed, self.name, "weights"))
        self.network = self._build().to(device())
        if model.warm_start > 0:
            start_from_spectrum(self.network, split, model.warm_start)
        with kept(folder) as place:
            plain = Lessons(split, model)
            spans = (model.epochs, plain.steps_per_epoch, model.num_evaluations)
            self._train(split, plain, model.training, spans, place / "pretraining")
            if self.config.epochs > 0:
                prompted = PromptLessons(split, self.config, self.guesses(split.train))
                spans = (self.config.epochs, prompted.steps_per_epoch, self.config.num_evaluations)
                self._train(split, prompted, self.config.training, spans, place / "prompts")

    def _train(
        self,
        split: Split,
        lessons: Callable[[int, int], Lesson],
        training: TrainingConfig,
        spans: tuple[float, int, int],
        folder: Path,
    ) -> None:
        """Train; spans: passes, steps of a pass, evaluations."""
        validation = Validation.of(split, limit=self.config.model.max_points)
        popularity = torch.from_numpy(np.exp(self._popularity) - 0.5).to(device())
        train(
            self.network,
            lessons,
            learn(self.config.model.loss, popularity),
            in_steps(training, *spans, can_evaluate=bool(validation)),
            folder,
            stage=folder.name,
            evaluate=(lambda _: validation.of_scorer(self._scores_at)) if validation else None,
            select="ndcg@10" if validation else None,
        )

    def _build(self) -> PromptNetwork:
        model = self.config.model
        return PromptNetwork(
            model.encoder,
            num_items=len(self.catalog),
            width=model.width,
            window=model.window + self.config.num_prompts,
            personal=self.config.personal,
            cosine_temperature=model.cosine_temperature,
        )

    def _scores(self, histories: list[Ints]) -> NDArray[np.float32]:
        """Scores of the first step."""
        return self._at(histories, [[]] * len(histories))

    def _state(self) -> Arrays:
        return {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self.network = self._build()
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
        self.network.to(device()).eval()

    @torch.no_grad()
    def guesses(self, sequences: Sequence[Ints]) -> list[Ints]:
        """Return the model's best guesses at every place: n items -> (n, M), row p from the items before p.

        Items before a place are no guesses there. Row 0 repeats row 1, where there is one.

        Args:
            sequences: of items, oldest first.
        """
        self.network.eval()
        number, head = self.config.num_guesses, self.network.head()
        found = []
        for items in sequences:
            rows = np.zeros((len(items), number), np.int64)
            for piece in cut_windows(len(items), self.config.model.window, 0):
                known = items[piece[:-1]]  # a copy, piece being an array of places
                batch = Sequences(
                    torch.from_numpy(known), torch.arange(len(known)), plan_flat([len(known)])
                ).to(device())
                scores = functional.linear(self.network(batch), head.vectors, head.bias)
                seen = torch.zeros(len(known), len(head.bias), dtype=torch.bool, device=device())
                seen[:, items[: piece[0]].tolist()] = True
                for row, item in enumerate(known.tolist()):
                    seen[row:, item] = True
                best = scores.masked_fill(seen, -torch.inf).topk(number, dim=1).indices
                rows[piece[1:]] = best.cpu().numpy()
            if len(items) > 1:
                rows[0] = rows[1]
            found.append(rows)
        return found

    @torch.no_grad()
    def recall(self, histories: Sequence[Ints], per_step: Sequence[int]) -> list[list[int]]:
        """Return lists made in steps: the best of the first state, then of the next, and so on.

        Before each further step the best item that was recalled last is said, as a prompt.

        Args:
            histories: B, none empty.
            per_step: items of each step; their sum is K.

        Returns:
            B lists of K items, none of them of the history, none twice.
        """
        self.network.eval()
        masked = history_mask([np.asarray(one) for one in histories], len(self.catalog))
        said: list[list[int]] = [[] for _ in histories]
        lists: list[list[int]] = [[] for _ in histories]
        for number in per_step:
            scores = self._at(histories, said)
            scores[masked] = -np.inf
            best = np.argsort(-scores, axis=1, kind="stable")[:, :number]
            for row, items in enumerate(best.tolist()):
                lists[row] += items
                said[row].append(items[0])
                masked[row, items] = True
        return lists

    @torch.no_grad()
    def _at(self, histories: Sequence[Ints], said: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return scores (B, N) behind histories and what was said since."""
        self.network.eval()
        head = self.network.head()
        feedback = TAKEN if self.config.assumed == "taken" else PASSED
        parts = []
        for start in range(0, len(histories), _BATCH):
            rows = []
            for history, items in zip(histories[start : start + _BATCH], said[start:], strict=False):
                recent = np.asarray(history, np.int64)[-self.config.model.window :]
                actions = np.append(np.full(len(recent), NO_ACTION), np.full(len(items), feedback))
                rows.append(_Row(np.append(recent, items).astype(np.int64), actions.astype(np.int64)))
            batch = _batch(rows).to(device())
            ends = torch.tensor([len(row.items) for row in rows]).cumsum(0) - 1
            scores = functional.linear(self.network(batch)[ends], head.vectors, head.bias)
            parts.append(scores.cpu().numpy())
        return np.concatenate(parts)


class _Row(NamedTuple):
    """One window with prompts: as many of each as there are tokens."""

    items: Ints
    actions: Ints
    targets: Ints | None = None


def _batch(rows: Sequence[_Row]) -> Sequences:
    lengths = [len(row.items) for row in rows]
    return Sequences(
        torch.from_numpy(np.concatenate([row.items for row in rows])),
        torch.from_numpy(np.concatenate([np.arange(length) for length in lengths])),
        plan_flat(lengths),
        actions=torch.from_numpy(np.concatenate([row.actions for row in rows])),
    )


def with_prompts(items: Ints, guesses: Ints, places: Ints, horizon: int) -> _Row:
    """Put guesses into a window, each with whether it was taken up.

    Every token predicts the next item of the person; behind a guess that is just that item, the one after it,
    since what was said needs no prediction. A token without anything to predict has the target -1.

    Args:
        items: n items, the last one target only.
        guesses: guessed items, one for each of `places`.
        places: ascending places in 1..n - 1; a guess stands before the item of that place.
        horizon: items from that place on in which a guess that turns up counts as taken.

    Example:
        >>> row = with_prompts(np.array([5, 6, 7, 8]), np.array([6, 9]), np.array([1, 3]), horizon=2)
        >>> row.items.tolist(), row.actions.tolist(), row.targets.tolist()
        ([5, 6, 6, 7, 9], [-1, 1, -1, -1, 0], [6, 7, 7, 8, 8])
    """
    tokens: list[int] = []
    actions: list[int] = []
    targets: list[int] = []
    told = dict(zip(places.tolist(), guesses.tolist(), strict=True))
    for place in range(len(items)):
        if place in told:
            guess, ahead = told[place], items[place : place + horizon]
            is_next = guess == items[place]
            tokens.append(guess)
            actions.append(TAKEN if guess in ahead else PASSED)
            after = place + int(is_next)
            targets.append(int(items[after]) if after < len(items) else -1)
        if place < len(items) - 1:
            tokens.append(int(items[place]))
            actions.append(NO_ACTION)
            targets.append(int(items[place + 1]))
    return _Row(*(np.array(one, np.int64) for one in (tokens, actions, targets)))


class PromptLessons:
    """`(step, micro) -> Lesson`, a pure function of the step: windows with prompts at random places.

    Args:
        split: its training part is used.
        config: of the prompts.
        guesses: (n, M) for each sequence, see `RecGPT.guesses`.
    """

    def __init__(self, split: Split, config: PromptConfig, guesses: Sequence[Ints]) -> None:
        self._config, self._items, self._guesses = config, split.train, guesses
        self._windows = EpochBatches(
            [len(items) for items in split.train],
            window=config.model.window,
            batch_size=config.model.batch_size,
            seed=config.training.seed,
        )
        self.steps_per_epoch = self._windows.steps_per_epoch

    def __call__(self, step: int, micro: int = 0) -> Lesson:
        """Return the lesson of a step."""
        config, rows = self._config, []
        rng = numpy_rng(config.training.seed, "prompts", step, micro)
        for one in self._windows(step, micro):
            size = len(one.places)
            chosen = np.sort(rng.choice(np.arange(1, size), min(config.num_prompts, size - 1), replace=False))
            options = self._guesses[one.user][one.places[chosen]]  # (P, M)
            drawn = options[np.arange(len(chosen)), rng.integers(options.shape[1], size=len(chosen))]
            rows.append(with_prompts(self._items[one.user][one.places], drawn, chosen, config.horizon))
        targets = torch.from_numpy(np.concatenate([row.targets for row in rows if row.targets is not None]))
        places = (targets >= 0).nonzero()[:, 0]
        return Lesson(_batch(rows), places, targets[places]).to(device())
