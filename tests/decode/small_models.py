"""A language model small enough to enumerate, over identifiers of every kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from steerec.control.problem import Problem, Quota
from steerec.items.identifier import AtomicIdentifier, Decode, Identifier, Spelling

END_ID, PAD_ID, NEWLINE, FIRST_MARKER = 0, 1, 2, 3
FIRST_LETTER = 10


class CodeIdentifier(Identifier):
    """Items spelled by given codes, one or several, with a line break behind them."""

    name = "codes"

    def __init__(self, spellings: Sequence[Sequence[Spelling]]) -> None:
        self._spellings = tuple(tuple(forms) for forms in spellings)
        self.num_items = len(spellings)
        self.longest = max(len(form) for forms in spellings for form in forms)
        self.separator = (NEWLINE,)
        self._check()

    def spell(self, item: int) -> tuple[Spelling, ...]:
        return self._spellings[item]

    def marker(self, position: int, count: int) -> Spelling:
        return (FIRST_MARKER + position % 3, FIRST_MARKER + 4)

    def history(self, items: Sequence[int]) -> list[int]:
        return [token for item in items for token in (*self.spell(item)[0], *self.separator)]

    def parse(self, tokens: Sequence[int], decode: Decode) -> list[int | None]:
        raise NotImplementedError

    def ends(self, tokens: Sequence[int], decode: Decode) -> list[int]:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class TinyLM:
    """What decoding uses of a language model."""

    model: Any
    identifier: Identifier
    context_length: int = 512
    end_id: int = END_ID
    pad_id: int = PAD_ID
    tokenizer: Any = None


def random_codes(
    num_items: int, rng: np.random.Generator, *, letters: int = 4, extra: float = 0.0
) -> Identifier:
    """Codes of 1 to 4 letters that share beginnings and begin one another; some items have several."""
    codes: list[Spelling] = []
    while len(codes) < num_items * (1 + extra):
        code = tuple((FIRST_LETTER + rng.integers(letters, size=rng.integers(1, 5))).tolist())
        if code not in codes:
            codes.append(code)
    spellings = [[code] for code in codes[:num_items]]
    for code in codes[num_items:]:
        spellings[rng.integers(num_items)].append(code)
    return CodeIdentifier(spellings)


def tiny_lm(identifier: Identifier, *, seed: int = 0, vocab_size: int = 40, sharpness: float = 8.0) -> TinyLM:
    """A random Llama whose distributions are far from uniform."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(sharpness)
        model.model.embed_tokens.weight.mul_(20)
    return TinyLM(model, identifier)


def atomic(num_items: int) -> AtomicIdentifier:
    return AtomicIdentifier(
        num_items=num_items, first_item_id=FIRST_LETTER, first_slot_id=FIRST_MARKER, num_slots=6
    )


def random_prompts(count: int, rng: np.random.Generator) -> list[list[int]]:
    return [rng.integers(FIRST_LETTER, 30, size=rng.integers(1, 9)).tolist() for _ in range(count)]


def free_problem(num_items: int, count: int) -> Problem:
    return Problem(count=count, allowed=np.ones(num_items, np.bool_), work=np.arange(num_items))


def random_problem(num_items: int, count: int, rng: np.random.Generator) -> Problem:
    """A feasible problem: its bounds are read off a random list, so that list satisfies them."""
    work = rng.permutation(np.arange(num_items) // 2) if rng.random() < 0.5 else np.arange(num_items)
    order = rng.permutation(num_items)
    _, first = np.unique(work[order], return_index=True)
    planted = order[np.sort(first)][:count]
    quotas = []
    for control in range(int(rng.integers(0, 4))):
        mask = rng.random(num_items) < 0.5
        a, b = np.sort(rng.integers(1, count + 1, size=2)) if rng.random() < 0.4 else (1, count)
        inside = int(mask[planted[a - 1 : b]].sum())
        lower = max(0, inside - int(rng.integers(0, 2)))
        upper = min(int(b - a + 1), inside + int(rng.integers(0, 2)))
        quotas.append(Quota(mask=mask, lower=lower, upper=upper, first=int(a), last=int(b), control=control))
    allowed = rng.random(num_items) < 0.8
    allowed[planted] = True
    return Problem(count=len(planted), quotas=tuple(quotas), allowed=allowed, work=work)


def is_satisfied(problem: Problem, items: Sequence[int]) -> bool:
    """The definition, item by item; shares nothing with the solver."""
    works = [int(problem.work[item]) for item in items]
    if len(items) != problem.count or len(set(works)) < len(works):
        return False
    if not all(problem.allowed[item] for item in items):
        return False
    for quota in problem.quotas:
        inside = sum(bool(quota.mask[item]) for item in items[quota.first - 1 : quota.last])
        if not quota.lower <= inside <= quota.upper:
            return False
    return True


def sequence_log_prob(lm: TinyLM, before: Sequence[int], tokens: Sequence[int]) -> float:
    """log p(tokens | before) by one forward pass without any cache."""
    ids = torch.tensor([[*before, *tokens]])
    with torch.inference_mode():
        log_probs = torch.log_softmax(lm.model(input_ids=ids).logits[0].double(), dim=-1)
    return math.fsum(float(log_probs[len(before) - 1 + k, token]) for k, token in enumerate(tokens))


def item_log_prob(lm: TinyLM, before: Sequence[int], item: int) -> float:
    """log of the summed probabilities of an item's spellings, separator included."""
    identifier = lm.identifier
    forms = [sequence_log_prob(lm, before, (*form, *identifier.separator)) for form in identifier.spell(item)]
    return float(np.logaddexp.reduce(forms))
