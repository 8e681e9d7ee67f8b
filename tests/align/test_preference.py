"""Preference losses, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steerec.align.preference import dpo, implicit_rewards, pro, s_dpo


def values(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_dpo_by_hand() -> None:
    chosen, rejected = values(-2.0, -3.0).requires_grad_(), values(-4.0, -3.0).requires_grad_()
    result = dpo(chosen, rejected, values(-3.0, -3.0), values(-3.0, -3.0), beta=0.5)
    # rewards .5 * 1 and .5 * -1: margin 1; then 0 and 0: margin 0
    first, second = math.log(1 + math.exp(-1.0)), math.log(2.0)
    assert result.loss_sum.item() == pytest.approx(first + second)
    assert result.weight == 2.0
    # -beta * sigmoid(-margin) for the chosen, the same up for the rejected
    slope = values(0.5 / (1 + math.exp(1.0)), 0.25)
    found = torch.autograd.grad(result.loss_sum, (chosen, rejected))
    torch.testing.assert_close(found[0], -slope)
    torch.testing.assert_close(found[1], slope)


def test_at_the_reference_dpo_is_log_two_whatever_the_beta() -> None:
    chosen, rejected = random(2, 4, seed=0)
    for beta in (0.1, 1.0, 7.0):
        result = dpo(chosen, rejected, chosen, rejected, beta=beta)
        assert result.loss_sum.item() / result.weight == pytest.approx(math.log(2.0))


def test_s_dpo_by_hand() -> None:
    chosen, rejected = values(0.0).requires_grad_(), torch.tensor([[0.0, math.log(2.0)]]).double()
    rejected.requires_grad_()
    zeros = (values(0.0), torch.zeros(1, 2, dtype=torch.float64))
    result = s_dpo(chosen, rejected, *zeros, beta=1.0)
    # weights 1, 1 and 2: the chosen one has 1/4 of the softmax
    assert result.loss_sum.item() == pytest.approx(math.log(4.0))
    found = torch.autograd.grad(result.loss_sum, (chosen, rejected))
    torch.testing.assert_close(found[0], values(-3 / 4))
    torch.testing.assert_close(found[1], values(1 / 4, 2 / 4)[None])  # the near miss gets most


def test_s_dpo_is_the_published_formula_and_with_one_rejected_it_is_dpo() -> None:
    chosen, ref_chosen = random(2, 5, seed=1)
    rejected, ref_rejected = random(2, 5, 3, seed=2)
    odds = torch.exp(0.7 * ((rejected - ref_rejected) - (chosen - ref_chosen)[:, None])).sum(dim=1)
    published = -torch.nn.functional.logsigmoid(-odds.log()).sum()
    result = s_dpo(chosen, rejected, ref_chosen, ref_rejected, beta=0.7)
    torch.testing.assert_close(result.loss_sum, published)
    single = dpo(chosen, rejected[:, 0], ref_chosen, ref_rejected[:, 0], beta=0.7)
    assert single == s_dpo(chosen, rejected[:, :1], ref_chosen, ref_rejected[:, :1], beta=0.7)
    margin = 0.7 * ((chosen - ref_chosen) - (rejected - ref_rejected)[:, 0])
    torch.testing.assert_close(single.loss_sum, -torch.nn.functional.logsigmoid(margin).sum())


def test_far_apart_answers_stay_finite() -> None:
    chosen = values(-2000.0).requires_grad_()
    result = s_dpo(chosen, values(0.0)[:, None], values(0.0), values(0.0)[:, None], beta=1.0)
    assert result.loss_sum.item() == pytest.approx(2000.0)
    assert torch.autograd.grad(result.loss_sum, chosen)[0].item() == pytest.approx(-1.0)


def test_implicit_rewards_by_hand() -> None:
    chosen, rejected = values(-1.0, -2.0), torch.tensor([[-2.0, -4.0], [-1.0, -2.0]]).double()
    found = implicit_rewards(chosen, rejected, values(-2.0, -2.0), rejected * 0 - 2.0, beta=0.1)
    torch.testing.assert_close(found.chosen, values(0.1, 0.0))
    torch.testing.assert_close(found.rejected, torch.tensor([[0.0, -0.2], [0.1, 0.0]]).double())
    # against the best rejected: .1 - 0 and 0 - .1
    torch.testing.assert_close(found.margins, values(0.1, -0.1))
    expected = {"chosen_reward": 0.1, "rejected_reward": -0.1 + 0.05, "margin": 0.0, "accuracy": 1.0}
    assert found.sums == pytest.approx(expected)


def test_a_tie_is_not_accurate() -> None:
    found = implicit_rewards(values(1.0), values(1.0)[:, None], values(0.0), values(0.0)[:, None], beta=1.0)
    assert found.sums["accuracy"] == 0.0


def test_shapes_must_agree() -> None:
    two, four = torch.zeros(2), torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"rejected \(B, S\) with at least one.*got \(2,\) and \(3, 4\)"):
        s_dpo(two, torch.zeros(3, 4), two, torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"at least one rejected answer.*got \(2,\) and \(2, 0\)"):
        s_dpo(two, four[:, :0], two, four[:, :0])
    with pytest.raises(ValueError, match=r"\(for DPO \(B,\)\): got \(2,\) and \(2, 4, 1\)"):
        dpo(two, four, two, four)
    with pytest.raises(ValueError, match=r"policy's shapes \(\(2,\), \(2, 4\)\): got \(\(2,\), \(2, 3\)\)"):
        s_dpo(two, four, two, four[:, :3])
    for wrong in (four[:, :1], two):
        with pytest.raises(ValueError, match="with at least 2 answers: got"):
            pro(wrong, wrong, wrong)
    with pytest.raises(ValueError, match=r"got \(2, 4\), \(2, 4\) and \(2, 3\)"):
        pro(four, four, four[:, :3])


def test_pro_by_hand() -> None:
    # means per token -1, -2 and -3; rewards 3, 2 and 1
    log_probs, lengths = torch.tensor([[-2.0, -8.0, -3.0]]).double(), torch.tensor([[2, 4, 1]])
    rewards = torch.tensor([[3.0, 2.0, 1.0]])
    # best against both: gaps 1 and 2, its own the largest, 2: scores 2 * -1, 1 * -2, 2 * -3
    first = -math.log(math.exp(-2) / (math.exp(-2) + math.exp(-2) + math.exp(-6)))
    # second against the last: gap 1, its own the same: scores 1 * -2, 1 * -3
    second = -math.log(math.exp(-2) / (math.exp(-2) + math.exp(-3)))
    # .05 * (3 - 1)^2 * 2 nats of the best answer, not per token
    result = pro(log_probs, lengths, rewards)
    assert result.loss_sum.item() == pytest.approx(first + second + 0.05 * 4 * 2.0)
    assert result.weight == 1.0
    ranking = pro(log_probs, lengths, rewards, sft_weight=0.0)
    assert ranking.loss_sum.item() == pytest.approx(first + second)


def test_the_gradient_of_two_answers_by_hand() -> None:
    log_probs, lengths = torch.tensor([[-6.0, -2.0]]).double(), torch.tensor([[3, 2]])
    log_probs.requires_grad_()
    result = pro(log_probs, lengths, torch.tensor([[0.5, 0.0]]), sft_weight=0.1)
    # means -2 and -1, gap .5: the better has softmax(-1, -.5); each mean's slope is gap / length
    better = 1 / (1 + math.exp(0.5))
    expected = [-(1 - better) * 0.5 / 3 - 0.1, (1 - better) * 0.5 / 2]
    torch.testing.assert_close(torch.autograd.grad(result.loss_sum, log_probs)[0], values(*expected)[None])


def test_the_order_of_the_answers_does_not_matter() -> None:
    log_probs, rewards = -random(4, 5, seed=3).abs(), random(4, 5, seed=4)
    lengths = torch.arange(1, 21).reshape(4, 5)
    expected = pro(log_probs, lengths, rewards).loss_sum
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = pro(log_probs[:, order], lengths[:, order], rewards[:, order]).loss_sum
    torch.testing.assert_close(shuffled, expected)


def test_equal_rewards_rank_nothing() -> None:
    log_probs = random(2, 3, seed=5).requires_grad_()
    result = pro(log_probs, torch.ones(2, 3), torch.full((2, 3), 0.4), sft_weight=0.0)
    assert not torch.autograd.grad(result.loss_sum, log_probs)[0].any()


def test_gradients_are_those_of_finite_differences() -> None:
    chosen, rejected = random(3, seed=6).requires_grad_(), random(3, 2, seed=7).requires_grad_()
    ref = (random(3, seed=8), random(3, 2, seed=9))
    assert torch.autograd.gradcheck(lambda c, r: s_dpo(c, r, *ref, beta=0.6).loss_sum, (chosen, rejected))
    lengths, rewards = torch.tensor([[1, 3], [2, 2], [5, 4]]), random(3, 2, seed=10)
    assert torch.autograd.gradcheck(lambda p: pro(p, lengths, rewards).loss_sum, (rejected,))


def test_accumulation_equals_one_batch() -> None:
    chosen, ref_chosen = random(2, 5, seed=11)
    rejected, ref_rejected = random(2, 5, 3, seed=12)
    parts = (slice(2), slice(2, None))
    whole = s_dpo(chosen, rejected, ref_chosen, ref_rejected)
    halves = [s_dpo(chosen[p], rejected[p], ref_chosen[p], ref_rejected[p]) for p in parts]
    torch.testing.assert_close(halves[0].loss_sum + halves[1].loss_sum, whole.loss_sum)
    assert halves[0].weight + halves[1].weight == whole.weight
    lengths, rewards = torch.ones(5, 3), ref_rejected
    whole = pro(rejected, lengths, rewards)
    halves = [pro(rejected[p], lengths[p], rewards[p]) for p in parts]
    torch.testing.assert_close(halves[0].loss_sum + halves[1].loss_sum, whole.loss_sum)
    assert halves[0].weight + halves[1].weight == whole.weight
