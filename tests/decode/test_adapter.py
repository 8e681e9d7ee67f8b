"""`model.generate` under ControlLogits: the same lists as the walk, and the guarantee in every mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from instances import read_answer
from small_models import (
    END_ID,
    NEWLINE,
    PAD_ID,
    TinyLM,
    atomic,
    free_problem,
    is_satisfied,
    random_codes,
    random_problem,
    random_prompts,
    tiny_lm,
)
from transformers import GenerationConfig, LlamaForCausalLM

from steerec.control.problem import Problem
from steerec.decode.adapter import ControlLogits
from steerec.decode.constrained import decode_lists
from steerec.decode.walk import walk_lists
from steerec.errors import ConfigError

KINDS = ["atomic", "codes", "several spellings"]
N = 10


def requests(
    kind: str, seed: int, *, sharpness: float = 8.0
) -> tuple[TinyLM, list[list[int]], list[Problem]]:
    rng = np.random.default_rng(seed)
    identifier = atomic(N) if kind == "atomic" else random_codes(N, rng, extra=0.8 * (kind != "codes"))
    lm = tiny_lm(identifier, seed=seed, sharpness=sharpness)
    begun = random_prompts(5, rng)
    return lm, begun, [random_problem(N, int(rng.integers(1, 5)), rng) for _ in begun]


def left_padded(begun: list[list[int]]) -> dict[str, torch.Tensor]:
    width = max(map(len, begun))
    ids = [[PAD_ID] * (width - len(prompt)) + prompt for prompt in begun]
    seen = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in begun]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(seen)}


def generate(lm: TinyLM, begun: list[list[int]], problems: list[Problem], **options: Any) -> list[list[int]]:
    """Answers, row by row, the end token and padding included."""
    inputs = left_padded(begun)
    width = inputs["input_ids"].shape[1]
    processor = ControlLogits(lm, problems, prompt_tokens=width)
    found = lm.model.generate(
        **inputs,
        logits_processor=[processor],
        max_new_tokens=processor.max_new_tokens,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
        **options,
    )
    return found[:, width:].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_generation_equals_the_walk_token_for_token(kind: str) -> None:
    for seed in range(6):
        lm, begun, problems = requests(kind, seed)
        walked = walk_lists(lm, begun, problems)
        answers = generate(lm, begun, problems, do_sample=False)
        for answer, (one,) in zip(answers, walked, strict=True):
            assert answer[: len(one.tokens) + 1] == [*one.tokens, END_ID]
        for problem, answer in zip(problems, answers, strict=True):
            assert is_satisfied(problem, read_answer(lm, answer, problem.count))


@pytest.mark.parametrize("kind", KINDS)
def test_a_processor_can_be_used_again_after_one_token(kind: str) -> None:
    lm, begun, problems = requests(kind, 0)
    width = max(map(len, begun))
    processor = ControlLogits(lm, problems, prompt_tokens=width)
    nothing_yet = torch.zeros(len(problems), width, dtype=torch.int64)
    scores = torch.zeros(len(problems), lm.model.config.vocab_size)
    first = processor(nothing_yet, scores)
    assert torch.equal(processor(nothing_yet, scores), first)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_satisfy(kind: str) -> None:
    for seed in range(4):
        lm, begun, problems = requests(kind, seed, sharpness=1.0)
        torch.manual_seed(seed)
        answers = generate(lm, begun, problems, do_sample=True, num_return_sequences=4)
        assert len(answers) == 20
        for row, answer in enumerate(answers):
            assert is_satisfied(problems[row // 4], read_answer(lm, answer, problems[row // 4].count))
        assert len({tuple(answer) for answer in answers}) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_beams_satisfy(kind: str) -> None:
    for seed in range(4):
        lm, begun, problems = requests(kind, seed)
        only = np.arange(N) == seed  # a request with one list, though three are asked for
        begun.append([11])
        problems.append(Problem(count=1, allowed=only, work=np.arange(N)))
        for number in (1, 3):
            answers = generate(lm, begun, problems, do_sample=False, num_beams=3, num_return_sequences=number)
            for row, answer in enumerate(answers):
                assert is_satisfied(
                    problems[row // number], read_answer(lm, answer, problems[row // number].count)
                )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_allowed_follows_from_the_tokens_and_not_from_earlier_calls(kind: str) -> None:
    lm, begun, problems = requests(kind, 11)
    width = max(map(len, begun))
    ids = left_padded(begun)["input_ids"]
    used = ControlLogits(lm, problems, prompt_tokens=width)
    steps = []
    rng = torch.Generator().manual_seed(0)
    for _ in range(used.max_new_tokens):
        scores = torch.randn(len(ids), 40, generator=rng)
        steps.append((ids, scores, used(ids, scores)))
        ids = torch.cat([ids, steps[-1][2].argmax(dim=1)[:, None]], dim=1)
    for ids, scores, masked in reversed(steps):  # backwards, and each as the first call of a new processor
        assert torch.equal(used(ids, scores), masked)
        assert torch.equal(ControlLogits(lm, problems, prompt_tokens=width)(ids, scores), masked)
        kept = masked > -torch.inf
        assert torch.equal(masked[kept], scores[kept])


def test_rows_that_are_no_multiple_of_the_requests_are_refused() -> None:
    lm, _, problems = requests("codes", 0)
    processor = ControlLogits(lm, problems, prompt_tokens=1)
    with pytest.raises(ConfigError, match="7 rows for 5 requests: give one problem per prompt"):
        processor(torch.full((7, 1), 11), torch.zeros(7, 40))


def test_tokens_that_were_not_allowed_are_reported() -> None:
    lm = tiny_lm(random_codes(N, np.random.default_rng(0)))
    processor = ControlLogits(lm, [free_problem(N, 2)], prompt_tokens=1)
    marker = list(lm.identifier.marker(1, 2))
    for before, wrong in (([], NEWLINE), (marker, NEWLINE), (marker, 39)):
        with pytest.raises(ConfigError, match="An answer left the tokens that are allowed"):
            processor(torch.tensor([[11, *before, wrong]]), torch.zeros(1, 40))


def test_generation_that_suppresses_every_allowed_token_still_satisfies_or_says_so() -> None:
    for seed in range(12):
        lm, begun, problems = requests(KINDS[seed % 3], seed)
        for settings in ({"suppress_tokens": [12, 13]}, {"no_repeat_ngram_size": 2}):
            try:
                answers = generate(lm, begun, problems, do_sample=False, **settings)
            except ConfigError:
                continue
            for problem, answer in zip(problems, answers, strict=True):
                assert is_satisfied(problem, read_answer(lm, answer, problem.count)), settings


def test_sampled_beams_satisfy() -> None:
    for seed in range(6):
        lm, begun, problems = requests(KINDS[seed % 3], seed)
        answers = generate(lm, begun, problems, do_sample=True, num_beams=3)
        for problem, answer in zip(problems, answers, strict=True):
            assert is_satisfied(problem, read_answer(lm, answer, problem.count))


def test_beams_under_a_processor_that_forbids_what_is_allowed_satisfy_or_say_so() -> None:
    for seed in range(6):
        lm, begun, problems = requests(KINDS[seed % 3], seed)
        try:
            answers = generate(lm, begun, problems, do_sample=False, num_beams=3, suppress_tokens=[12, 13])
        except ConfigError:
            continue
        for problem, answer in zip(problems, answers, strict=True):
            assert is_satisfied(problem, read_answer(lm, answer, problem.count))


def test_warpers_of_sampling_change_no_guarantee() -> None:
    for seed in range(6):
        lm, begun, problems = requests(KINDS[seed % 3], seed, sharpness=1.0)
        options = {"temperature": 3.0, "top_p": 0.5, "top_k": 2, "repetition_penalty": 4.0}
        answers = generate(lm, begun, problems, do_sample=True, **options)
        for problem, answer in zip(problems, answers, strict=True):
            assert is_satisfied(problem, read_answer(lm, answer, problem.count))


@pytest.mark.parametrize("kind", KINDS)
def test_generation_settings_of_the_model_folder_change_no_list(kind: str, tmp_path: Path) -> None:
    lm, begun, problems = requests(kind, 2)
    plain = decode_lists(lm, begun, problems, beam=4)
    walked = walk_lists(lm, begun, problems)
    settings = GenerationConfig(
        suppress_tokens=list(range(10, 16)),
        begin_suppress_tokens=[3, 4, 5],
        forced_eos_token_id=END_ID,
        forced_bos_token_id=20,
        repetition_penalty=9.0,
        no_repeat_ngram_size=1,
        num_beams=4,
        do_sample=True,
        temperature=7.0,
        top_k=1,
        max_length=2,
        max_new_tokens=1,
        eos_token_id=[10, 11, NEWLINE],
    )
    lm.model.save_pretrained(tmp_path)
    settings.save_pretrained(tmp_path)
    model = LlamaForCausalLM.from_pretrained(tmp_path).eval()
    assert model.generation_config.num_beams == 4
    assert model.generation_config.suppress_tokens == list(range(10, 16))
    loaded = TinyLM(model, lm.identifier)
    assert decode_lists(loaded, begun, problems, beam=4) == plain
    again = walk_lists(loaded, begun, problems)
    assert [one.tokens for (one,) in again] == [one.tokens for (one,) in walked]
