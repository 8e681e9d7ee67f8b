"""Lists under requests are written where the weights are, and are the same lists."""

from __future__ import annotations

import numpy as np
import pytest

from elsewhere import elsewhere
from steerec.control.forms import at_least
from steerec.control.request import Request, compile_request
from steerec.decode.constrained import decode_lists
from steerec.decode.diverse import decode_diverse
from steerec.decode.words import answer_in_words
from tiny_shelf import shelf, tiny

CATALOG = shelf()


def write(kind: str) -> list[object]:
    lm = tiny(identifier=kind, context_length=256, initializer_range=0.05)
    requests = [Request(count=3), Request(count=2, controls=[at_least(1, "Drama")])]
    histories = [(0, 5), (7,)]
    problems = [compile_request(one, CATALOG, seen) for one, seen in zip(requests, histories, strict=True)]
    prompts = [lm.encode_prompt(list(seen), "3 films.", 3) for seen in histories]
    scores = np.tile(np.arange(len(CATALOG), dtype=np.float32), (2, 1))
    options = {} if kind == "title" else {"first_place": 4.0}
    found = [
        decode_lists(lm, prompts, problems, **options),  # type: ignore[arg-type]
        decode_lists(lm, prompts, problems, teacher_scores=scores, weight=0.5, wishes=scores),
        decode_lists(lm, prompts, problems, beam=1),
        *decode_diverse(lm, prompts, problems, groups=2),
    ]
    words = answer_in_words(lm, "Hello!", [0, 5])
    return [words, *([one.items for one in lists] for lists in found)]


@pytest.mark.parametrize("kind", ["atomic", "title"])
def test_lists_are_the_same_on_the_other_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = write(kind)
    with elsewhere(monkeypatch):
        assert write(kind) == alone
