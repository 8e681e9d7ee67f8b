"""Answers without constraint, to see what the model itself has learnt: greedy or sampled, then read back.

Legend: B requests, V vocabulary, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.decode.outcome import FreeAnswer
from steerec.decode.room import check_room, rows_together
from steerec.decode.stream import StreamCache, stay_in_front
from steerec.errors import ConfigError
from steerec.seeding import numpy_rng

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

_SPARE_LINES = 2
"""Lines beyond the requested count that are let through, so that lists that do not stop are seen as such."""


def generate_free(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    counts: Sequence[int],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int | None = None,
) -> list[FreeAnswer]:
    """Let the model answer every prompt once; arguments and errors as in `sample_free`.

    Returns:
        B answers in the order of the prompts.
    """
    found = sample_free(lm, prompts, counts, temperature=temperature, seed=seed, batch_size=batch_size)
    return [answer for (answer,) in found]


def sample_free(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    counts: Sequence[int],
    *,
    temperature: float = 0.0,
    samples: int = 1,
    seed: int = 0,
    batch_size: int | None = None,
) -> list[list[FreeAnswer]]:
    """Let the model answer until its end token; each prompt is read once for all its samples.

    Args:
        lm: model, tokenizer, identifier, end and padding tokens, context length.
        prompts: B token sequences that end where the answer begins.
        counts: B requested list lengths; they set the limit of tokens and nothing else.
        temperature: 0 takes the likeliest token; above, tokens are drawn from softmax(logits / temperature).
        samples: answers per prompt.
        seed: of the sampling; each sample of each prompt draws its own numbers, so the batch size changes no
            answer.
        batch_size: answers decoded together, at least `samples`; None: as many as suit the device.

    Returns:
        For each prompt its answers.

    Raises:
        RequestError: a list of the requested length might not fit in the context with its prompt.
        ConfigError: temperature, samples or batch size is out of range.
    """
    batch_size = max(rows_together(lm), samples) if batch_size is None else batch_size
    if not (np.isfinite(temperature) and temperature >= 0) or samples < 1 or batch_size < samples:
        raise ConfigError(
            f"temperature must be finite and >= 0, samples at least 1, batch_size at least samples; got "
            f"{temperature}, {samples} and {batch_size}."
        )
    limits = [_limit(lm, prompt, count) for prompt, count in zip(prompts, counts, strict=True)]
    order = sorted(range(len(prompts)), key=lambda i: (limits[i], len(prompts[i]), i))
    answers: dict[int, list[FreeAnswer]] = {}
    together = batch_size // samples
    with torch.inference_mode():
        for start in range(0, len(order), together):
            chosen = order[start : start + together]
            bounds = np.repeat([limits[i] for i in chosen], samples).tolist()
            draws = None
            if temperature > 0:
                draws = [
                    numpy_rng(seed, "free", i, sample).random(limits[i])
                    for i in chosen
                    for sample in range(samples)
                ]
            asked = [prompts[i] for i in chosen]
            cache = StreamCache(lm.model, asked, room=max(bounds), pad_id=lm.pad_id, copies=samples)
            written = _write(lm, cache, bounds, draws, temperature)
            for k, i in enumerate(chosen):
                part = written[k * samples : (k + 1) * samples]
                answers[i] = [_read(lm, tokens, log_prob, counts[i]) for tokens, log_prob in part]
    return [answers[i] for i in range(len(prompts))]


def _limit(lm: LanguageModel, prompt: Sequence[int], count: int) -> int:
    """Tokens that an answer may have, its end token included."""
    check_room(lm.identifier, prompt=len(prompt), count=count, context_length=lm.context_length)
    wanted = lm.identifier.answer_length(count + _SPARE_LINES) + 1
    return int(min(wanted, lm.context_length - len(prompt)))


def _write(
    lm: LanguageModel,
    cache: StreamCache,
    limits: Sequence[int],
    draws: Sequence[NDArray[np.float64]] | None,
    temperature: float,
) -> list[tuple[list[int], float]]:
    """Tokens of each row's answer (end token included where it came) and their log-probability."""
    tokens: list[list[int]] = [[] for _ in limits]
    total = np.zeros(len(limits))
    rows = np.arange(len(limits))  # those in the cache
    for step in count():
        logits = cache.all_logits()
        if draws is None:
            picked = logits.argmax(dim=-1)
        else:
            picked = _sample(logits / temperature, np.array([draws[row][step] for row in rows.tolist()]))
        gained = logits.gather(1, picked[:, None])[:, 0] - torch.logsumexp(logits, dim=-1)
        total[rows] += gained.double().cpu().numpy()
        taken = picked.cpu().numpy()
        for row, token in zip(rows.tolist(), taken.tolist(), strict=True):
            tokens[row].append(token)
        goes_on = (taken != lm.end_id) & (np.array(limits)[rows] > step + 1)
        if not goes_on.any():
            break
        if not goes_on.all():
            kept = stay_in_front(goes_on)
            cache.keep(kept)
            rows, taken = rows[kept], taken[kept]
        cache.extend(taken[:, None].tolist())
    return list(zip(tokens, total.tolist(), strict=True))


def _sample(logits: torch.Tensor, uniform: NDArray[np.float64]) -> torch.Tensor:
    """Invert the distribution function at one uniform number per row: (B, V), (B,) -> (B,)."""
    ladder = torch.softmax(logits.double(), dim=-1).cumsum(dim=-1)
    place = torch.as_tensor(uniform, device=logits.device)[:, None] * ladder[:, -1:]
    return torch.searchsorted(ladder, place, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def _read(lm: LanguageModel, tokens: list[int], log_prob: float, count: int) -> FreeAnswer:
    ended = bool(tokens) and tokens[-1] == lm.end_id
    body = tokens[:-1] if ended else tokens
    return FreeAnswer(
        items=tuple(lm.identifier.parse(body, lm.tokenizer.decode)),
        requested=count,
        ended=ended,
        tokens=tuple(body),
        text=lm.tokenizer.decode(body),
        log_prob=log_prob,
    )
