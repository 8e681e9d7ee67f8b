"""The hard guarantee for plain `model.generate`: a transformers logits processor.

    processor = ControlLogits(lm, problems, prompt_tokens=inputs["input_ids"].shape[1])
    model.generate(**inputs, logits_processor=[processor], max_new_tokens=processor.max_new_tokens)

It masks token by token: what is allowed is exactly what some satisfying list continues with. Every token
costs a forward pass, and a likely first word may lead to an unlikely title; `walk_lists` gives the same lists
in a fraction of the passes, `decode_lists` compares whole items.

Legend: B requests, S sequences per request (beams or samples), T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import LogitsProcessor

from steerec.control.problem import Problem
from steerec.decode.paths import Path, Paths
from steerec.errors import ConfigError

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel


_LEFT = (
    "An answer left the tokens that are allowed. ControlLogits must see every step, and nothing after it may "
    "change the tokens: run no other processor after it, and force none."
)
_FORBIDDEN = (
    "Another logits processor forbids every token that is allowed here. Take suppressed tokens, bad words "
    "and n-gram rules out of the generation settings."
)


class ControlLogits(LogitsProcessor):  # type: ignore[misc]
    """Forbids every token that no satisfying list continues with; a function of the tokens alone.

    It works for greedy search, sampling and beam search; `S` follows from the number of rows it is given.
    """

    def __init__(self, lm: LanguageModel, problems: Sequence[Problem], *, prompt_tokens: int) -> None:
        """Prepare the requests of a batch.

        Args:
            lm: whose identifier spells the answers; its model is not touched.
            problems: B feasible problems, in the order of the prompts.
            prompt_tokens: width of the prompts, padding (on the left) included.
        """
        self._paths = Paths(lm.identifier, problems)
        self._begun = self._paths.begin(range(len(problems)))
        self._prompt_tokens, self._end_id = prompt_tokens, lm.end_id
        self._known: dict[tuple[int, tuple[int, ...]], Path] = {}
        self.max_new_tokens = 1 + max(lm.identifier.answer_length(problem.count) for problem in problems)
        """Tokens that every list of the batch fits in, its end token included."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores (B * S, V) with -inf wherever no satisfying list goes on, given (B * S, T) tokens.

        A beam that left the allowed tokens, as beam search lets them when few are allowed, gets no token at
        all: its score is -inf already, and stays so.

        Raises:
            ConfigError: the rows are no multiple of the requests, the only row of a request left the allowed
                tokens, or another processor forbids all of them.
        """
        rows, requests = len(input_ids), len(self._begun)
        if rows % requests:
            raise ConfigError(
                f"{rows} rows for {requests} requests: give one problem per prompt, in their order."
            )
        written = input_ids[:, self._prompt_tokens :].tolist()
        known, masked = {}, torch.full_like(scores, -torch.inf)
        for row, tokens in enumerate(written):
            request = row // (rows // requests)
            path = self._path(request, tokens)
            if path is None:
                if rows == requests:
                    raise ConfigError(_LEFT)
                continue
            known[request, tuple(tokens)] = path
            allowed = self._allowed(path, len(tokens)).to(scores.device)
            masked[row, allowed] = scores[row, allowed]
            if torch.isneginf(masked[row, allowed]).all():
                raise ConfigError(_FORBIDDEN)
        self._known = known  # next time each row is one token longer than one of these
        return masked

    def _path(self, request: int, tokens: list[int]) -> Path | None:
        """Return where a row stands: one step from where it stood, else walked from the beginning."""
        if not tokens:
            return self._begun[request]
        path = self._known.get((request, tuple(tokens[:-1])))
        start = len(tokens) - 1
        if path is None:
            path, start = self._begun[request], 0
        for place in range(start, len(tokens)):
            path = self._step(path, place, tokens[place])
            if path is None:
                return None
        return path

    def _step(self, path: Path, place: int, token: int) -> Path | None:
        """Return the path after one more token, or None where it is not allowed."""
        if place < len(path.tokens):
            return path if path.tokens[place] == token else None
        if path.is_complete:
            return path  # the end token and padding after it
        trie = self._paths.trie
        found = path.options[trie.first_token[path.options] == token]
        if not found.size:
            return None
        path = path.copy()
        self._paths.take([path], [int(found[0])])
        return path

    def _allowed(self, path: Path, place: int) -> Tensor:
        if place < len(path.tokens):
            allowed = [path.tokens[place]]
        elif path.is_complete:
            allowed = [self._end_id]
        else:
            allowed = self._paths.trie.first_token[path.options].tolist()
        assert allowed, "some token always leads on to a satisfying list"
        return torch.tensor(allowed)
