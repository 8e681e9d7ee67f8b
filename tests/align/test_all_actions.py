"""All-action credit: the gradient of sampled credit without its noise, derived by hand on small choices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align.all_actions import AllActionsConfig, _choice_losses, all_actions_loss, lay_out_choices
from steerec.align.credit import Judged
from steerec.align.critic import CriticConfig
from steerec.align.rl import reinforce
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, read_asks, roll_constrained
from steerec.control.request import Request
from steerec.errors import ConfigError
from steerec.loop import TrainingConfig
from tiny_shelf import shelf, tiny

CATALOG, BEST = shelf(), 4


def asks_of(lm: object, count: int = 2) -> list[Ask]:
    rows = pl.DataFrame(
        {
            "history": [[0, 1], [5], [7], [2]],
            "instruction": [f"{count} films."] * 4,
            "request": [Request(count=count).to_json()] * 4,
            "target": [BEST, 3, None, 0],
            "user": [0, 1, 2, 3],
        }
    )
    return read_asks(lm, rows, CATALOG, max_prompt_tokens=80)  # type: ignore[arg-type]


def likes_best(asks: Sequence[Ask]) -> np.ndarray:
    scores = np.zeros((len(asks), len(CATALOG)), np.float32)
    scores[:, BEST] = 3.0
    return scores


def no_reward(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
    return [[Judged(np.zeros(len(one.items)), 0.0, {}) for one in group] for group in groups]


def settings(loss: str, **changes: object) -> RlConfig:
    return RlConfig(
        training=TrainingConfig(max_steps=100, learning_rate=5e-3, logging_steps=1),
        prompts_per_step=4,
        free_share=0.0,
        max_prompt_tokens=80,
        all_actions=AllActionsConfig(loss=loss, **changes),  # type: ignore[arg-type]
    )


def test_losses_by_hand() -> None:
    # Two items of three are allowed, worth 3/4 and 1/4; the policy gives them 1/2 and 1/4, the third 1/4.
    log_probs = torch.tensor([[0.5, 0.25, 0.25]]).log()
    worth = torch.tensor([[0.75, 0.25, 0.0]])
    by_hand = {
        "expected": -(0.5 * 0.75 + 0.25 * 0.25) / 0.75,
        "cross_entropy": -(0.75 * np.log(0.5) + 0.25 * np.log(0.25)),
    }
    third = 1e-3 / 3  # what the floor leaves to each item
    by_hand["reverse_kl"] = (
        0.5 * (np.log(0.5) - np.log(0.999 * 0.75 + third))
        + 0.25 * (np.log(0.25) - np.log(0.999 * 0.25 + third))
        + 0.25 * (np.log(0.25) - np.log(third))
    )
    for loss, value in by_hand.items():
        found = _choice_losses(log_probs, worth, AllActionsConfig(loss=loss))  # type: ignore[arg-type]
        assert found.item() == pytest.approx(value, rel=1e-5), loss


def test_the_expected_loss_has_the_gradient_that_samples_estimate() -> None:
    logits = torch.tensor([0.3, -0.2, 0.9, 0.0], requires_grad=True)
    worth = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    loss = _choice_losses(logits.log_softmax(0)[None], worth, AllActionsConfig(loss="expected"))
    loss.sum().backward()
    policy = logits.detach().softmax(0)
    estimate = torch.zeros(4)  # REINFORCE, every draw weighted by its probability
    for drawn in range(4):
        fresh = logits.detach().clone().requires_grad_()
        (-fresh.log_softmax(0)[drawn] * worth[0, drawn] / 0.4).backward()
        assert fresh.grad is not None
        estimate += policy[drawn] * fresh.grad
    torch.testing.assert_close(logits.grad, estimate)


def test_worth_is_the_teacher_among_what_is_allowed_with_the_targets_share() -> None:
    lm = tiny()
    asks = asks_of(lm)
    groups = roll_constrained(lm, asks, samples=3, temperature=1.0, seed=0)
    choices = lay_out_choices(
        asks, groups, likes_best(asks), lm, AllActionsConfig(target_share=0.4, whole_vocabulary=False)
    )
    assert len(choices.chosen) == len(choices.decisions.row) == 4 * 3 * 2, "every decision is a choice"
    row, column = choices.decisions.row.numpy(), choices.decisions.column.numpy()
    lists = [(ask, rollout) for ask, group in zip(asks, groups, strict=True) for rollout in group]
    for d in range(len(row)):
        ask, rollout = lists[row[d]]
        taken = rollout.items[: column[d]]
        allowed = [i for i in range(len(CATALOG)) if i not in ask.history and i not in taken]
        teacher = np.exp([3.0 if i == BEST else 0.0 for i in allowed])
        expected = dict(zip(allowed, teacher / teacher.sum(), strict=True))
        if ask.target in allowed:
            expected = {i: 0.6 * value + 0.4 * (i == ask.target) for i, value in expected.items()}
        whole = [expected.get(i, 0.0) for i in range(len(CATALOG))]
        np.testing.assert_allclose(choices.worth[d].numpy(), whole, atol=1e-6)
        assert choices.weights[d].item() == pytest.approx(1 / np.log2(column[d] + 2))


def test_forced_tokens_are_learned_over_the_whole_vocabulary_only() -> None:
    lm = tiny()
    asks = asks_of(lm)
    groups = roll_constrained(lm, asks, samples=1, temperature=1.0, seed=0)
    whole = lay_out_choices(asks, groups, likes_best(asks), lm, AllActionsConfig())
    assert len(whole.decisions.row) == 4 * 5, "two places, two items and the end"
    assert len(whole.chosen) == 4 * 2
    with torch.no_grad():
        lost = all_actions_loss(lm.model, whole, AllActionsConfig())
    assert 0 < lost.inside.item() < 1
    among = lay_out_choices(asks, groups, likes_best(asks), lm, AllActionsConfig(whole_vocabulary=False))
    with torch.no_grad():
        assert all_actions_loss(lm.model, among, AllActionsConfig(whole_vocabulary=False)).inside == 1


# The expected reward has no gradient where the policy has no mass: it is for models that obey already.
@pytest.mark.parametrize(
    ("loss", "whole"),
    [("expected", False), ("reverse_kl", False), ("reverse_kl", True), ("cross_entropy", True)],
)
def test_the_best_item_comes_first_and_the_model_obeys_by_itself(
    loss: str, whole: bool, tmp_path: Path
) -> None:
    lm = tiny(initializer_range=0.05)
    asks, config = asks_of(lm), settings(loss, whole_vocabulary=whole)
    reinforce(lm, asks, config, tmp_path, free=no_reward, constrained=no_reward, scores=likes_best)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["rl/all_actions_loss"] for line in lines if "rl/all_actions_loss" in line]
    inside = [line["rl/allowed_mass"] for line in lines if "rl/allowed_mass" in line]
    assert losses[-1] < losses[0]
    assert inside[-1] > 2 * inside[0] if whole else inside[-1] == pytest.approx(1)
    greedy = roll_constrained(lm, asks, samples=1, temperature=0.0, seed=0)
    assert [group[0].items[0] for group in greedy] == [BEST] * 4


def test_titles_and_critics_are_refused() -> None:
    lm = tiny(identifier="title", context_length=256)
    with pytest.raises(ConfigError, match="one token per item"):
        reinforce(
            lm, [], settings("expected"), Path(), free=no_reward, constrained=no_reward, scores=likes_best
        )
    with pytest.raises(ValueError, match="choose one of them"):
        settings("expected").replace(critic=CriticConfig())


def test_requests_can_be_asked_now(tmp_path: Path) -> None:
    lm = tiny()
    rows = pl.DataFrame(
        {
            "history": [[0], [1]],
            "instruction": ["2 films."] * 2,
            "request": [Request(count=2).to_json(), Request(count=2, candidates=["5", "6", "7"]).to_json()],
            "target": [1, 2],
            "user": [0, 1],
        }
    )
    present = [np.array([0, 1, 2]), np.array([1, 5, 6])]
    asks = read_asks(lm, rows, CATALOG, max_prompt_tokens=80, present=present)
    assert [ask.history for ask in asks] == [(0, 1, 2)], "two of three candidates are seen by now: left out"
    assert asks[0].target is None
    assert asks[0].tokens[1:4] == tuple(lm.identifier.history([0, 1, 2]))
    with pytest.raises(ValueError, match="leave ranking out"):
        settings("expected").replace(moments="present", all_actions=None)
