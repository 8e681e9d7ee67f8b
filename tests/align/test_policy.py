"""Rollouts keep what was sampled, and a training pass says of them what sampling said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align import policy
from steerec.align.policy import lay_out, say
from steerec.align.rollouts import Ask, read_asks, roll_constrained, roll_free, roll_unique
from steerec.control.forms import without
from steerec.control.request import Request, compile_request
from steerec.decode.constrained import decode_lists
from steerec.decode.free import sample_free
from steerec.decode.walk import walk_lists
from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel
from tiny_shelf import shelf, tiny

CATALOG = shelf()


def asks(lm: LanguageModel) -> list[Ask]:
    rows = pl.DataFrame(
        {
            "history": [[0, 1, 4], [5], [7]],
            "instruction": ["Two films.", "Three films, please.", "Say hello."],
            "request": [Request(count=2).to_json(), Request(count=3).to_json(), None],
            "target": [3, None, None],
            "user": [0, 1, None],
        }
    )
    return read_asks(lm, rows, CATALOG, max_prompt_tokens=120)


@pytest.fixture(params=["atomic", "title"])
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(identifier=request.param, context_length=256, initializer_range=0.2)


def test_rows_become_asks_and_chat_is_left_out(lm: LanguageModel) -> None:
    found = asks(lm)
    assert [(ask.problem.count, ask.target, ask.history) for ask in found] == [
        (2, 3, (0, 1, 4)),
        (3, None, (5,)),
    ]
    assert list(found[0].tokens) == lm.encode_prompt([0, 1, 4], "Two films.", 2)
    with pytest.raises(DataError, match="max_prompt_tokens"):
        read_asks(
            lm,
            pl.DataFrame({"request": [None], "user": [1]}, schema={"request": pl.String, "user": pl.Int64}),
            CATALOG,
            max_prompt_tokens=9,
        )


def test_unique_lists_differ_begin_with_the_likeliest_and_can_be_learned_from(lm: LanguageModel) -> None:
    found = asks(lm)
    groups = roll_unique(lm, found, samples=4, penalty=5.0)
    best = decode_lists(lm, [ask.tokens for ask in found], [ask.problem for ask in found], beam=64)
    for ask, group, first in zip(found, groups, best, strict=True):
        assert len({one.items for one in group}) == len(group) > 1
        assert group[0].items == first.items
        for one in group:
            assert one.tokens == tuple(lm.identifier.answer(one.items))
            assert not set(one.items) & set(ask.history)
    said = say(lm.model, lay_out(found, groups, lm.vocab_size))
    assert torch.isfinite(said.log_probs).all()
    assert said.log_probs.shape[0] == sum(map(len, groups))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_training_pass_says_what_constrained_sampling_said(lm: LanguageModel, temperature: float) -> None:
    found = asks(lm)
    groups = roll_constrained(lm, found, samples=3, temperature=temperature, seed=1)
    walked = walk_lists(
        lm, [a.tokens for a in found], [a.problem for a in found], temperature=temperature, samples=3, seed=1
    )
    decisions = lay_out(found, groups, lm.vocab_size)
    assert decisions.num_lists == 6
    with torch.no_grad():
        said = say(lm.model, decisions)
    flat = [one for group in walked for one in group]
    for row, one in enumerate(flat):
        assert float(said.log_probs[row].sum()) == pytest.approx(sum(one.log_probs), abs=1e-3)
        assert int(decisions.mask[row].sum()) == len(one.decisions)
    for group, ask in zip(groups, found, strict=True):
        for rollout in group:
            assert len(rollout.items) == ask.problem.count
            assert not set(rollout.items) & set(ask.history)
            assert rollout.ends[-1] == len(rollout.tokens) - 1
            assert rollout.allowed is not None
            chosen = [rollout.tokens[place] for place in rollout.decided]
            assert all(token in allowed for token, allowed in zip(chosen, rollout.allowed, strict=True))
            assert min(map(len, rollout.allowed)) >= 2, "what leaves no choice is no decision"


def test_a_training_pass_says_what_free_sampling_said(lm: LanguageModel) -> None:
    found = asks(lm)
    groups = roll_free(lm, found, samples=3, temperature=1.0, seed=2)
    answers = sample_free(
        lm, [a.tokens for a in found], [a.problem.count for a in found], temperature=1.0, samples=3, seed=2
    )
    decisions = lay_out(found, groups, lm.vocab_size)
    assert decisions.allowed is None
    with torch.no_grad():
        said = say(lm.model, decisions, entropy=True)
        sharper = say(lm.model, decisions, temperature=0.5, entropy=True)
    flat = [one for group in answers for one in group]
    for row, one in enumerate(flat):
        assert float(said.log_probs[row].sum()) == pytest.approx(one.log_prob, abs=1e-3)
    assert torch.equal(said.log_probs[~decisions.mask], torch.zeros(int((~decisions.mask).sum())))
    assert said.entropy is not None
    assert sharper.entropy is not None
    assert float(sharper.entropy.sum()) < float(said.entropy.sum())
    for group in groups:
        for rollout in group:
            assert len(rollout.ends) == len(rollout.items)
            assert (np.diff(rollout.ends) > 0).all()


def test_entropy_by_hand() -> None:
    lm = tiny(initializer_range=1e-9)  # all logits are alike: the choice is uniform over what is allowed
    found = [
        Ask(
            tokens=tuple(lm.encode_prompt([0], "One.", 1)),
            request=Request(count=1, controls=[without("Drama")]),
            problem=compile_request(Request(count=1), CATALOG, [0]),
            history=(0,),
            target=None,
            user=0,
        )
    ]
    groups = roll_constrained(lm, found, samples=2, temperature=1.0, seed=0)
    with torch.no_grad():
        said = say(lm.model, lay_out(found, groups, lm.vocab_size), entropy=True)
    torch.testing.assert_close(said.entropy, torch.full((2, 1), np.log(7)), atol=1e-4, rtol=0)
    torch.testing.assert_close(said.log_probs, torch.full((2, 1), -np.log(7)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("among", [None, "some"])
@pytest.mark.parametrize("which", [None, [0, 0, 1, 2, 2, 2, 3]])
def test_what_is_said_piece_by_piece_is_log_softmax_and_so_is_its_gradient(
    which: list[int] | None, among: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "_TOGETHER", {"cpu": 15})  # three rows of five at a time, of seven
    rng = torch.Generator().manual_seed(0)
    rows = torch.arange(7) if which is None else torch.tensor(which)
    logits = torch.randn(int(rows.max()) + 1, 5, generator=rng, dtype=torch.float64)
    logits[1, 3] = -torch.inf  # what a model holds impossible
    targets = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    allowed = None
    if among:
        allowed = torch.rand(7, 5, generator=rng) < 0.5
        allowed[torch.arange(7), targets] = True
    weights = torch.randn(7, generator=rng, dtype=torch.float64)
    found, expected = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    choice = policy._Choice(None if which is None else rows, targets, allowed, temperature=0.7, entropy=True)
    said, entropy = policy._Chosen.apply(found, choice)
    kept = expected[rows] / 0.7
    kept = kept if allowed is None else kept.masked_fill(~allowed, -torch.inf)
    plain = kept.log_softmax(dim=-1)
    torch.testing.assert_close(said, plain[torch.arange(7), targets])
    torch.testing.assert_close(entropy, torch.distributions.Categorical(logits=kept.detach()).entropy())
    (said * weights).sum().backward()
    (plain[torch.arange(7), targets] * weights).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)


def test_free_and_constrained_lists_share_a_pass(lm: LanguageModel) -> None:
    found = asks(lm)
    free = roll_free(lm, found[:1], samples=2, temperature=1.0, seed=2)
    held = roll_constrained(lm, found[1:], samples=2, temperature=1.0, seed=2)
    with torch.no_grad():
        both = say(lm.model, lay_out(found, [*free, *held], lm.vocab_size)).log_probs.sum(dim=1)
        apart = [say(lm.model, lay_out(found[k : k + 1], [group], lm.vocab_size)).log_probs.sum(dim=1)
                 for k, group in enumerate((*free, *held))]  # fmt: skip
    torch.testing.assert_close(both, torch.cat(apart), atol=1e-4, rtol=1e-4)
