"""What others do: transformers' `generate`, free or with a trie walked in Python.

The trie of `prefix_allowed_tokens_fn` is the one of published systems (RecLM-cgen, MiniOneRec): nested dicts,
walked from the root of the list at every step and row. It guarantees that titles exist, nothing else.

Legend: B prompts, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from steerec.control.problem import Problem
from steerec.decode.adapter import ControlLogits

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

Node = dict[int, Any]


def generate(
    lm: LanguageModel, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, **options: Any
) -> list[list[int]]:
    """Run `model.generate` greedily on left-padded prompts; returns B answers without their end tokens."""
    width = max(map(len, prompts))
    ids = torch.tensor([[lm.pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    device = next(lm.model.parameters()).device
    with torch.inference_mode():
        written = lm.model.generate(
            ids.to(device),
            attention_mask=mask.to(device),
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=lm.end_id,
            pad_token_id=lm.pad_id,
            **options,
        )[:, width:]
    return [_before_end(row, lm.end_id) for row in written.tolist()]


def generate_free(lm: LanguageModel, prompts: Sequence[Sequence[int]], *, tokens: int) -> list[list[int]]:
    """Run `model.generate` without constraint for exactly `tokens` steps: the cost of the steps alone."""
    return generate(lm, prompts, max_new_tokens=tokens, min_new_tokens=tokens)


def generate_by_prefix(
    lm: LanguageModel, prompts: Sequence[Sequence[int]], *, count: int, root: Node
) -> list[list[int]]:
    """Run `model.generate` with `prefix_allowed_tokens_fn` over lists of `count` titles of a dict trie."""
    width = max(map(len, prompts))
    allowed = prefix_function(lm, root, count=count, prompt_tokens=width)
    longest = lm.identifier.answer_length(count) + 1
    return generate(lm, prompts, max_new_tokens=longest, prefix_allowed_tokens_fn=allowed)


def generate_controlled(
    lm: LanguageModel, prompts: Sequence[Sequence[int]], *, problems: Sequence[Problem]
) -> list[list[int]]:
    """Run `model.generate` with our logits processor."""
    processor = ControlLogits(lm, problems, prompt_tokens=max(map(len, prompts)))
    return generate(lm, prompts, max_new_tokens=processor.max_new_tokens, logits_processor=[processor])


def dict_trie(lm: LanguageModel) -> Node:
    """Return nested dicts of all spellings with their separators; a finished spelling is an empty dict."""
    root: Node = {}
    for item in range(lm.identifier.num_items):
        node = root
        for token in (*lm.identifier.spell(item)[0], *lm.identifier.separator):
            node = node.setdefault(token, {})
    return root


def prefix_function(
    lm: LanguageModel, root: Node, *, count: int, prompt_tokens: int
) -> Callable[[int, Tensor], list[int]]:
    """Return a `prefix_allowed_tokens_fn` for lists of `count` items after the prompt."""
    markers = [lm.identifier.marker(position, count) for position in range(1, count + 1)]

    def allowed(row: int, ids: Tensor) -> list[int]:
        tokens, place = ids[prompt_tokens:].tolist(), 0
        for marker in markers:
            for token in marker:
                if place == len(tokens):
                    return [token]
                place += 1
            node = root
            while node:
                if place == len(tokens):
                    return list(node)
                node = node[tokens[place]]
                place += 1
        return [lm.end_id]

    return allowed


def _before_end(tokens: list[int], end_id: int) -> list[int]:
    return tokens[: tokens.index(end_id)] if end_id in tokens else tokens
