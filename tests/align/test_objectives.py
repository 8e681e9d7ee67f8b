"""Policy objectives: values and gradients by hand, and the special cases in the general one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pydantic
import pytest
import torch
from torch import Tensor

from steerec.align.advantages import group_normalised, leave_one_out
from steerec.align.objectives import (
    Objective,
    PolicyLoss,
    dapo,
    dr_grpo,
    grpo,
    k3,
    kl_penalised,
    policy_gradient,
    ppo_policy,
    rloo,
    surrogate,
    value_loss,
)

NAN = math.nan
AGGREGATIONS = [
    Objective(),
    Objective(aggregation="sequence"),
    Objective(aggregation="constant", constant_length=5),
]
# three tokens, then one
MASK = torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def with_ratios(*ratios: list[float]) -> tuple[Tensor, Tensor]:
    """Return log-probabilities with gradient, and old ones, that have these ratios of probabilities."""
    old = rows(*ratios) * 0 - 1.5
    return (old + rows(*ratios).log()).requires_grad_(), old


def mean(result: PolicyLoss) -> Tensor:
    return result.loss_sum / result.weight


def gradient(result: PolicyLoss, log_probs: Tensor) -> Tensor:
    return torch.autograd.grad(mean(result), log_probs)[0]


def test_the_surrogate_by_hand() -> None:
    log_probs, old = with_ratios([1.5, 1.5, 0.5], [0.5, 1.0, 1.0])
    advantages = rows([2.0, -2.0, 1.0], [-1.0, 9.0, 9.0])
    result = surrogate(log_probs, old, advantages, MASK, Objective(clip_low=0.2, clip_high=0.3))
    # min(3, 1.3 * 2) = 2.6 clipped; min(-3, -2.6) = -3; min(.5, .8) = .5; min(-.5, -.8) = -.8 clipped
    torch.testing.assert_close(result.loss_sum.item(), -(2.6 - 3.0 + 0.5 - 0.8))
    assert result.weight == 4.0
    # d(ratio * A) / d log_prob = ratio * A; a clipped token has none
    expected = -rows([0.0, -3.0, 0.5], [0.0, 0.0, 0.0]) / 4
    torch.testing.assert_close(gradient(result, log_probs), expected)
    # two of four tokens are clipped; the largest ratio is 1.5
    assert result.health == pytest.approx({"clip_fraction": 0.5, "ratio_max": 1.5})


def test_without_clip_every_token_learns() -> None:
    log_probs, old = with_ratios([9.0, 0.1, 1.0], [3.0, 1.0, 1.0])
    result = surrogate(log_probs, old, MASK.double(), MASK, Objective(clip_low=None, clip_high=None))
    torch.testing.assert_close(gradient(result, log_probs), -rows([9.0, 0.1, 1.0], [3.0, 0.0, 0.0]) / 4)
    assert result.health["clip_fraction"] == 0


def test_aggregations_by_hand() -> None:
    log_probs, old = with_ratios([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    advantages = rows([1.0], [5.0])  # losses -1, -1, -1 and -5
    token, sequence, constant = (
        surrogate(log_probs, old, advantages, MASK, objective) for objective in AGGREGATIONS
    )
    assert (token.loss_sum.item(), token.weight) == (-8.0, 4.0)  # all tokens
    assert (sequence.loss_sum.item(), sequence.weight) == (-6.0, 2.0)  # -3 / 3 - 5 / 1, two sequences
    assert (constant.loss_sum.item(), constant.weight) == (-8.0, 10.0)  # two sequences of 5


def test_the_divergence_from_the_reference() -> None:
    log_probs, old = with_ratios([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    ref = log_probs.detach() + rows([math.log(2.0), 0.0, -math.log(2.0)], [0.0, 0.0, 0.0])
    # k3: 2 - ln 2 - 1, 0, .5 + ln 2 - 1; together .5
    plain = surrogate(log_probs, old, rows([0.0], [0.0]), MASK, Objective(), ref_log_probs=ref)
    assert plain.health["kl"] == pytest.approx(0.5 / 4)
    assert plain.loss_sum.item() == 0.0
    held = surrogate(log_probs, old, rows([0.0], [0.0]), MASK, Objective(kl_weight=0.1), ref_log_probs=ref)
    assert held.loss_sum.item() == pytest.approx(0.1 * 0.5)
    # 1 - exp(r): -1, 0, .5
    expected = 0.1 * rows([-1.0, 0.0, 0.5], [0.0, 0.0, 0.0]) / 4
    torch.testing.assert_close(gradient(held, log_probs), expected)


@pytest.mark.parametrize("objective", [*AGGREGATIONS, Objective(clip_high=0.28, kl_weight=0.3)])
def test_the_gradient_is_that_of_finite_differences(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(2)
    log_probs, old, advantages, ref = torch.randn(4, 2, 3, dtype=torch.float64, generator=generator)

    def loss(values: Tensor) -> Tensor:
        return surrogate(values, old, advantages, MASK, objective, ref_log_probs=ref).loss_sum

    assert torch.autograd.gradcheck(loss, log_probs.requires_grad_())


@pytest.mark.parametrize("objective", AGGREGATIONS)
def test_on_policy_the_clip_is_nothing_and_the_gradient_is_the_policy_gradient(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 6, dtype=torch.float64, generator=generator).requires_grad_()
    tokens = torch.randint(6, (2, 3, 1), generator=generator)
    advantages = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    log_probs = logits.log_softmax(dim=-1).gather(2, tokens)[..., 0]
    result = surrogate(log_probs, log_probs.detach(), advantages, MASK, objective)
    # every token's share of the mean: 1/4; 1/3 and 1 of 2 sequences; 1/5 of 2 sequences
    shares = {"token": (1 / 4, 1 / 4), "sequence": (1 / 6, 1 / 2), "constant": (1 / 10, 1 / 10)}
    share = rows(*([value] for value in shares[objective.aggregation]))
    plain = -(share * advantages * log_probs)[MASK].sum()
    torch.testing.assert_close(
        torch.autograd.grad(mean(result), logits, retain_graph=True)[0],
        torch.autograd.grad(plain, logits)[0],
    )
    assert result.health == {"clip_fraction": 0.0, "ratio_max": 1.0}


@pytest.mark.parametrize("objective", [*AGGREGATIONS, Objective(kl_weight=0.3)])
def test_what_is_masked_out_is_never_read(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(4)
    tensors = torch.randn(4, 2, 3, dtype=torch.float64, generator=generator)
    found = []
    for filling in (0.0, NAN, math.inf):
        log_probs, old, advantages, ref = (torch.where(MASK, tensor, filling) for tensor in tensors)
        log_probs.requires_grad_()
        result = surrogate(log_probs, old, advantages, MASK, objective, ref_log_probs=ref)
        found.append((result.loss_sum.item(), result.health, gradient(result, log_probs)))
    for loss, health, slope in found[1:]:
        assert loss == found[0][0]
        assert health == found[0][1]
        assert torch.equal(slope, found[0][2])
    assert (found[0][2][~MASK] == 0).all()


@pytest.mark.parametrize("objective", [*AGGREGATIONS, Objective(kl_weight=0.3)])
def test_accumulation_equals_one_batch(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(5)
    log_probs, old, advantages, ref = torch.randn(4, 5, 4, dtype=torch.float64, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]).bool()

    def run(part: slice) -> PolicyLoss:
        parts = (tensor[part] for tensor in (log_probs, old, advantages, mask))
        return surrogate(*parts, objective, ref_log_probs=ref[part])

    whole, first, second = run(slice(None)), run(slice(2)), run(slice(2, None))
    torch.testing.assert_close(first.loss_sum + second.loss_sum, whole.loss_sum)
    assert first.weight + second.weight == whole.weight
    assert first.num_tokens + second.num_tokens == whole.num_tokens
    assert first.clipped_sum + second.clipped_sum == whole.clipped_sum
    assert first.kl_sum is not None
    assert second.kl_sum is not None
    torch.testing.assert_close(first.kl_sum + second.kl_sum, whole.kl_sum)
    assert max(first.ratio_max, second.ratio_max) == whole.ratio_max


def test_a_batch_without_tokens_is_nothing() -> None:
    log_probs, old = with_ratios([1.0, 1.0, 1.0])
    for objective in AGGREGATIONS:
        result = surrogate(log_probs, old, rows([1.0]), torch.zeros(1, 3).bool(), objective)
        assert (result.loss_sum.item(), result.weight) == (0.0, 0.0)
        assert result.health == {"clip_fraction": 0.0, "ratio_max": 0.0}


def test_the_largest_ratio_may_be_below_one() -> None:
    log_probs, old = with_ratios([0.5, 0.25, 1.0])
    mask = torch.tensor([[1, 1, 0]]).bool()
    result = surrogate(log_probs, old, rows([1.0]), mask, Objective())
    assert result.health["ratio_max"] == pytest.approx(0.5)


def test_errors_of_the_surrogate() -> None:
    log_probs, old = with_ratios([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"same shape \(B, T\): got \(2, 3\), and \(1, 3\) for old_log"):
        surrogate(log_probs, old[:1], old, MASK, Objective())
    with pytest.raises(ValueError, match=r"advantages must be \(2, 3\), or \(2, 1\).*got \(2,\)"):
        surrogate(log_probs, old, old[:, 0], MASK, Objective())
    with pytest.raises(ValueError, match=r"kl_weight is 0\.1: give ref_log_probs, or set kl_weight to 0"):
        surrogate(log_probs, old, old, MASK, Objective(kl_weight=0.1))


@pytest.mark.parametrize("settings", [{"aggregation": "constant"}, {"constant_length": 3}])
def test_a_constant_length_belongs_to_constant_aggregation(settings: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError, match='give constant_length with "constant" aggregation'):
        Objective.model_validate(settings)


LOG_PROBS, OLD, REF = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(6))
FOUR_LISTS = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]]).bool()
REWARDS = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
ADVANTAGES = group_normalised(REWARDS).reshape(-1, 1)


def general(objective: Objective, ref: Tensor | None = None) -> Tensor:
    return mean(surrogate(LOG_PROBS, OLD, ADVANTAGES, FOUR_LISTS, objective, ref_log_probs=ref))


def test_ppo_is_dapo_with_equal_clips() -> None:
    arguments = (LOG_PROBS, OLD, ADVANTAGES, FOUR_LISTS)
    assert mean(ppo_policy(*arguments)) == general(Objective())
    assert mean(dapo(*arguments)) == general(Objective(clip_high=0.28))
    assert mean(dapo(*arguments, clip_high=0.2)) == mean(ppo_policy(*arguments))
    assert mean(dapo(*arguments)) != mean(ppo_policy(*arguments))


def test_grpo_and_dr_grpo() -> None:
    arguments = (LOG_PROBS, OLD, ADVANTAGES, FOUR_LISTS)
    by_sequence = Objective(aggregation="sequence", kl_weight=0.04)
    assert mean(grpo(*arguments, REF)) == general(by_sequence, REF)
    constant = Objective(aggregation="constant", constant_length=3)
    assert mean(dr_grpo(*arguments, constant_length=3)) == general(constant)
    # where all sequences have the constant length, and nothing holds them, both are one
    full = (*arguments[:3], torch.ones_like(FOUR_LISTS))
    held = grpo(*full, REF, kl_weight=0.0)
    torch.testing.assert_close(mean(dr_grpo(*full, constant_length=3)), mean(held))


def test_reinforce_and_rloo() -> None:
    log_probs = LOG_PROBS.clone().requires_grad_()
    advantages = torch.randn(4, 3, generator=torch.Generator().manual_seed(7))
    # -A_t per token, over 4 sequences
    found = gradient(policy_gradient(log_probs, advantages, FOUR_LISTS), log_probs)
    torch.testing.assert_close(found, -advantages * FOUR_LISTS / 4)
    # two samples each: each against the other, 1 - 0, 0 - 1, .5 - 2, 2 - .5
    found = gradient(rloo(log_probs, REWARDS, FOUR_LISTS), log_probs)
    torch.testing.assert_close(found, -torch.tensor([[1.0], [-1.0], [-1.5], [1.5]]) * FOUR_LISTS / 4)


def test_equal_rewards_teach_nothing() -> None:
    rewards = torch.full((2, 2), 0.3)
    log_probs = LOG_PROBS.clone().requires_grad_()
    assert not gradient(rloo(log_probs, rewards, FOUR_LISTS), log_probs).any()
    named: list[Callable[[Tensor, Tensor, Tensor, Tensor], PolicyLoss]] = [
        ppo_policy,
        dapo,
        lambda *arguments: dr_grpo(*arguments, constant_length=3),
        lambda *arguments: grpo(*arguments, REF, kl_weight=0.0),
    ]
    for advantages in (leave_one_out(rewards), group_normalised(rewards)):
        for loss in named:
            result = loss(log_probs, OLD, advantages.reshape(-1, 1), FOUR_LISTS)
            assert not gradient(result, log_probs).any()


def test_reinforce_learns_a_bandit() -> None:
    # the expected gradient over all arms is that of the expected reward, sum_a p_a r_a
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64)
    probabilities = logits.softmax(dim=0)
    exact = torch.autograd.grad((probabilities * rewards).sum(), logits, retain_graph=True)[0]
    found = torch.zeros(3, dtype=torch.float64)
    for arm in range(3):
        log_probs = logits.log_softmax(dim=0)[arm].reshape(1, 1)
        result = policy_gradient(log_probs, rewards[arm].reshape(1, 1), torch.ones(1, 1).bool())
        found -= probabilities[arm].detach() * torch.autograd.grad(result.loss_sum, logits)[0]
    torch.testing.assert_close(found, exact)


LOGITS = torch.tensor([0.3, -0.2, 1.5], dtype=torch.float64)
REF_OF_THREE = torch.tensor([0.5, 0.4, -1.0], dtype=torch.float64).log_softmax(dim=0)


def test_k3_is_unbiased_and_never_negative() -> None:
    log_probs = LOGITS.log_softmax(dim=0)
    estimates = k3(log_probs, REF_OF_THREE)
    assert (estimates > 0).all()
    exact = (log_probs.exp() * (log_probs - REF_OF_THREE)).sum()
    torch.testing.assert_close((log_probs.exp() * estimates).sum(), exact)
    assert not k3(REF_OF_THREE, REF_OF_THREE).any()


def test_the_gradient_of_k3_is_that_of_the_reversed_divergence() -> None:
    logits = LOGITS.clone().requires_grad_()
    log_probs = logits.log_softmax(dim=0)
    expected_loss = (log_probs.exp().detach() * k3(log_probs, REF_OF_THREE)).sum()
    found = torch.autograd.grad(expected_loss, logits, retain_graph=True)[0]
    reversed_kl = (REF_OF_THREE.exp() * (REF_OF_THREE - log_probs)).sum()
    torch.testing.assert_close(found, torch.autograd.grad(reversed_kl, logits)[0])


def test_penalised_rewards_by_hand() -> None:
    log_probs = rows([-1.0, -2.0]).requires_grad_()
    found = kl_penalised(rows([0.0, 5.0]), log_probs, rows([-1.5, -1.0]), 0.3)
    # 0 - .3 * .5 and 5 - .3 * -1
    torch.testing.assert_close(found, rows([-0.15, 5.3]))
    assert not found.requires_grad


def test_the_value_loss_by_hand() -> None:
    values = rows([1.5, 0.5, 1.1], [1.5, NAN, NAN]).requires_grad_()
    old, returns = rows([1.0, 1.0, 1.0], [1.0, NAN, NAN]), rows([2.0, 2.0, 2.0], [0.0, NAN, NAN])
    result = value_loss(values, old, returns, MASK)
    # towards 2 by .5, held at 1.2: max(.25, .64); away to .5: max(2.25, 1.44); 1.1 is within: .81;
    # away from 0 to 1.5: max(2.25, 1.44)
    assert result.loss_sum.item() == pytest.approx(0.5 * (0.64 + 2.25 + 0.81 + 2.25))
    assert (result.weight, result.clipped_sum.item()) == (4.0, 1)
    found = torch.autograd.grad(result.loss_sum, values)[0]
    # V - R, but nothing where the value has come far enough already
    torch.testing.assert_close(found, rows([0.0, -1.5, -0.9], [1.5, 0.0, 0.0]))


def test_an_unmoved_value_loss_is_half_the_squared_error_and_accumulates() -> None:
    values, returns = torch.randn(2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    whole = value_loss(values, values, returns, MASK)
    torch.testing.assert_close(whole.loss_sum, 0.5 * (values - returns)[MASK].square().sum())
    parts = [value_loss(values[b], values[b], returns[b], MASK[b]) for b in (slice(1), slice(1, 2))]
    torch.testing.assert_close(parts[0].loss_sum + parts[1].loss_sum, whole.loss_sum)
    assert parts[0].weight + parts[1].weight == whole.weight


def test_shapes_of_values_must_agree() -> None:
    with pytest.raises(ValueError, match=r"and \(2, 2\) for returns"):
        value_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 2), MASK)
