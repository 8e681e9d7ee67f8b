from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_models import END_ID, TinyLM, atomic, random_prompts, sequence_log_prob, tiny_lm

from steerec.decode.free import generate_free, sample_free
from steerec.decode.outcome import FreeAnswer
from steerec.errors import ConfigError, RequestError

WORDS = SimpleNamespace(decode=lambda ids: " ".join(map(str, ids)))


def language_model(seed: int = 0, *, end_bias: float = 0.0, **changes: int) -> TinyLM:
    lm = tiny_lm(atomic(20), seed=seed, sharpness=3.0)
    if end_bias:
        head = torch.nn.Linear(32, 40)
        head.weight = lm.model.lm_head.weight
        head.bias.data.zero_()
        head.bias.data[END_ID] = end_bias
        lm.model.lm_head = head
    return TinyLM(lm.model, lm.identifier, tokenizer=WORDS, **changes)


def greedy_without_cache(lm: TinyLM, prompt: list[int], limit: int) -> list[int]:
    tokens: list[int] = []
    with torch.inference_mode():
        while len(tokens) < limit and END_ID not in tokens:
            logits = lm.model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, -1]
            tokens.append(int(logits.argmax()))
    return tokens


@pytest.mark.parametrize("end_bias", [0.0, 1.0])
@pytest.mark.parametrize("batch_size", [3, 7])  # of seven, the first that is finished waits for the second
def test_greedy_answers_equal_decoding_without_cache(end_bias: float, batch_size: int) -> None:
    rng = np.random.default_rng(1)
    lm = language_model(1, end_bias=end_bias)
    prompts, counts = random_prompts(7, rng), [1, 2, 3, 4, 5, 6, 7]
    answers = generate_free(lm, prompts, counts, batch_size=batch_size)
    lengths = set()
    for prompt, count, answer in zip(prompts, counts, answers, strict=True):
        limit = 2 * (count + 2) + 1
        written = greedy_without_cache(lm, prompt, limit)
        assert answer.ended == (written[-1] == END_ID)
        assert list(answer.tokens) == written[: len(written) - answer.ended]
        assert answer.log_prob == pytest.approx(sequence_log_prob(lm, prompt, written), abs=1e-3)
        assert answer.requested == count
        assert answer.text == " ".join(map(str, answer.tokens))
        assert list(answer.items) == lm.identifier.parse(answer.tokens, WORDS.decode)
        lengths.add(len(written))
    assert len(lengths) > 1, "rows left the batch at different steps"


def test_sampling_depends_on_seed_and_row_only() -> None:
    rng = np.random.default_rng(2)
    lm = language_model(2, end_bias=2.0)
    prompts = random_prompts(6, rng)
    one = generate_free(lm, prompts, [3] * 6, temperature=1.0, seed=5)
    other = generate_free(lm, prompts, [3] * 6, temperature=1.0, seed=5, batch_size=2)
    assert [x.tokens for x in one] == [x.tokens for x in other]
    changed = generate_free(lm, prompts, [3] * 6, temperature=1.0, seed=6)
    assert [x.tokens for x in one] != [x.tokens for x in changed]


def test_samples_of_one_prompt_are_those_of_the_prompt_repeated() -> None:
    lm = language_model(2, end_bias=2.0)
    prompts = random_prompts(3, np.random.default_rng(4))
    with_samples = sample_free(lm, prompts, [3] * 3, temperature=1.0, samples=4, seed=5, batch_size=8)
    assert [len(answers) for answers in with_samples] == [4] * 3
    assert len({answer.tokens for answer in with_samples[0]}) > 1, "each sample draws its own numbers"
    alone = sample_free(lm, prompts[:1], [3], temperature=1.0, samples=4, seed=5, batch_size=4)
    assert [x.tokens for x in alone[0]] == [x.tokens for x in with_samples[0]]
    for prompt, answers in zip(prompts, with_samples, strict=True):
        for answer in answers:
            written = [*answer.tokens, *([END_ID] if answer.ended else [])]
            assert answer.log_prob == pytest.approx(sequence_log_prob(lm, prompt, written), abs=1e-3)
    with pytest.raises(ConfigError, match="samples"):
        sample_free(lm, prompts, [3] * 3, samples=9, batch_size=8)


def test_samples_follow_the_distribution() -> None:
    lm = language_model(3, context_length=6)
    prompt = [12, 13]
    # room for one atomic line: the first token of 4,000 samples against softmax(logits / temperature)
    answers = generate_free(lm, [prompt] * 4000, [1] * 4000, temperature=2.0, seed=0, batch_size=1000)
    with torch.inference_mode():
        logits = lm.model(input_ids=torch.tensor([prompt])).logits[0, -1]
    expected = torch.softmax(logits / 2.0, dim=-1).numpy()
    first = [(*answer.tokens, END_ID)[0] for answer in answers]
    share = np.bincount(first, minlength=40) / 4000
    # five standard deviations of a binomial share, token by token
    assert (np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-4).all()


def test_answers_that_do_not_end_are_cut_and_say_so() -> None:
    lm = language_model(4, end_bias=-50.0)
    answer = generate_free(lm, [[12]], [3])[0]
    assert not answer.ended
    assert len(answer.tokens) == 2 * (3 + 2) + 1
    short = language_model(4, end_bias=-50.0, context_length=9)
    assert len(generate_free(short, [[12]], [3])[0].tokens) == 8, "the context ends the answer"


def test_requests_that_cannot_fit_and_bad_settings_are_refused() -> None:
    lm = language_model(context_length=9)
    with pytest.raises(RequestError, match="Ask for at most 3"):
        generate_free(lm, [[12]], [4])
    with pytest.raises(ConfigError, match="got -1"):
        generate_free(lm, [[12]], [1], temperature=-1.0)


def test_known_items_of_an_answer() -> None:
    answer = FreeAnswer(items=(3, None, 3, 1), requested=4, ended=True, tokens=(), text="", log_prob=0.0)
    assert answer.known == (3, 3, 1)
