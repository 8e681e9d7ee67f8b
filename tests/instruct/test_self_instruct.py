"""Growing phrasings: what is kept of what a language model writes, and that rows are phrased by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from steerec.control.phrases import render
from steerec.control.request import Request
from steerec.instruct.self_instruct import (
    KINDS,
    SelfInstructConfig,
    ask_for_another,
    clean,
    grow_phrases,
    is_new,
    rouge_l,
    seed_phrases,
    write_phrases,
)
from tiny_shelf import shelf


@pytest.mark.parametrize(
    ("phrase", "kept"),
    [
        ("Nothing with {which} for me tonight.", True),
        ("No {which}, thank you, please.", False),  # 3 of 3 and 5 words in common: F = 6 / 8
        ("Nothing of the kind.", False),
        ("Nothing with {which}, only {n}.", False),
        ("Neither {which} nor {which}.", False),
        ("{which}", False),
        ("Leave {which} out, will you {not}?", False),
    ],
)
def test_what_is_kept(phrase: str, kept: bool) -> None:
    assert is_new("without", phrase, ["No {which}, please."], 0.7) == kept


def test_rouge_by_hand() -> None:
    assert rouge_l(["a", "b", "c", "d"], ["a", "x", "c"]) == pytest.approx(2 * 2 / 7)
    assert rouge_l([], []) == 0


def test_answers_are_cleaned() -> None:
    assert clean('1. "please skip {which}"\nAnd more') == "Please skip {which}"


def test_prompts_show_what_is_known_and_name_the_slots() -> None:
    prompt = ask_for_another("at_least", ["At least {n} {which}, please."], np.random.default_rng(0))
    assert "- At least {n} {which}, please." in prompt
    assert "Keep {n}, {which} exactly as written." in prompt


def test_phrasings_grow_to_what_is_wanted_and_no_further() -> None:
    calls = []

    def write(prompts: Sequence[str], number: int) -> list[str]:
        calls.append(len(prompts))
        return [f"{'w' * (k + 1)} {'v' * (k + 2)} {'u' * (k + 3)} {{which}}" for k in range(len(prompts))]

    config = SelfInstructConfig(num_phrasings=3 * len(KINDS), rounds=2, asked=5)
    grown = grow_phrases(config, write)
    only_which = [kind for kind in KINDS if kind in ("only", "without", "prefer", "one_of")]
    for kind in KINDS:
        assert grown[kind][0] == seed_phrases()[kind][0]
        assert len(grown[kind]) == (3 if kind in only_which else 1), kind
    assert calls == [5 * len(KINDS), 5 * (len(KINDS) - len(only_which))]
    assert grow_phrases(SelfInstructConfig(num_phrasings=0), write) == seed_phrases()


def test_rows_can_be_phrased_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "phrases.json"
    write_phrases({"without": ["Anything but {which}."]}, path)
    request = Request.model_validate(
        {"count": 3, "controls": [{"where": {"categories": "Drama"}, "at_most": 0}]}
    )
    said = render(request, shelf(), np.random.default_rng(0), split=str(path))
    assert "Anything but " in said
