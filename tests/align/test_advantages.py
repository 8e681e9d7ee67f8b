"""Advantages, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steerec.align.advantages import (
    against_baseline,
    generalised_advantages,
    group_normalised,
    leave_one_out,
    returns_to_go,
    whiten,
)

NAN = math.nan


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def everywhere(values: Tensor) -> Tensor:
    return torch.ones_like(values, dtype=torch.bool)


def test_returns_to_go_by_hand() -> None:
    rewards = rows([1.0, 2.0, 4.0])
    # from the end: 4; 2 + .5 * 4 = 4; 1 + .5 * 4 = 3
    found = returns_to_go(rewards, everywhere(rewards), discount=0.5)
    assert found.tolist() == [[3.0, 4.0, 4.0]]
    assert returns_to_go(rewards, everywhere(rewards)).tolist() == [[7.0, 6.0, 4.0]]


def test_no_time_passes_where_nothing_is() -> None:
    # padding left, in between and right; the same three rewards as above
    rewards = rows([NAN, 1.0, NAN, NAN, 2.0, 4.0, NAN])
    found = returns_to_go(rewards, ~rewards.isnan(), discount=0.5)
    assert found.tolist() == [[0.0, 3.0, 0.0, 0.0, 4.0, 4.0, 0.0]]


def test_generalised_advantages_by_hand() -> None:
    rewards, values = rows([1.0, 0.0, 2.0]), rows([0.5, 1.0, 3.0])
    # discount .5: errors 1 + .5 * 1 - .5 = 1; 0 + .5 * 3 - 1 = .5; 2 + 0 - 3 = -1
    # each step carries .5 * .5 = .25 of the next: -1; .5 - .25 = .25; 1 + .25 * .25 = 1.0625
    found = generalised_advantages(rewards, values, everywhere(rewards), discount=0.5, gae_lambda=0.5)
    assert found.advantages.tolist() == [[1.0625, 0.25, -1.0]]
    assert found.returns.tolist() == [[1.5625, 1.25, 2.0]]  # advantage + value


def test_generalised_advantages_ignore_what_is_masked_out() -> None:
    rewards, values = rows([NAN, 1.0, 0.0, NAN, 2.0, NAN]), rows([NAN, 0.5, 1.0, NAN, 3.0, NAN])
    found = generalised_advantages(rewards, values, ~rewards.isnan(), discount=0.5, gae_lambda=0.5)
    assert found.advantages.tolist() == [[0.0, 1.0625, 0.25, 0.0, -1.0, 0.0]]
    assert found.returns.tolist() == [[0.0, 1.5625, 1.25, 0.0, 2.0, 0.0]]


def test_the_ends_of_gae_are_monte_carlo_and_one_step() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 4, 7, dtype=torch.float64, generator=generator)
    mask = torch.rand(4, 7, generator=generator) < 0.7
    nothing = generalised_advantages(rewards, 0 * values, mask, discount=0.9, gae_lambda=1.0)
    to_go = returns_to_go(rewards, mask, discount=0.9)
    assert torch.equal(nothing.advantages, to_go)
    assert torch.equal(nothing.returns, to_go)
    # with lambda 1 the returns do not depend on the values at all
    learned = generalised_advantages(rewards, values, mask, discount=0.9, gae_lambda=1.0)
    torch.testing.assert_close(learned.returns, to_go)
    full = everywhere(rewards)
    one_step = generalised_advantages(rewards, values, full, discount=0.9, gae_lambda=0.0)
    following = torch.cat([values[:, 1:], torch.zeros(4, 1)], dim=1)
    torch.testing.assert_close(one_step.advantages, rewards + 0.9 * following - values)


def test_advantages_send_no_gradient_into_the_values() -> None:
    values = rows([0.5, 1.0]).requires_grad_()
    found = generalised_advantages(values, values, everywhere(values), discount=1.0, gae_lambda=1.0)
    assert not found.advantages.requires_grad
    assert not found.returns.requires_grad


def test_whitening_by_hand() -> None:
    values, mask = rows([1.0, 3.0, NAN], [5.0, NAN, NAN]), torch.tensor([[1, 1, 0], [1, 0, 0]]).bool()
    # 1, 3, 5: mean 3, variance (4 + 0 + 4) / (3 - 1) = 4, deviation 2
    expected = rows([-1.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    torch.testing.assert_close(whiten(values, mask), expected, atol=1e-8, rtol=0)
    unshifted = rows([0.5, 1.5, 0.0], [2.5, 0.0, 0.0])
    torch.testing.assert_close(whiten(values, mask, shift_mean=False), unshifted, atol=1e-8, rtol=0)


@pytest.mark.parametrize("values", [[[0.1, 0.1, 0.1]], [[0.7, NAN, NAN]], [[NAN, NAN, NAN]]])
def test_values_without_spread_are_not_scaled(values: list[list[float]]) -> None:
    tensor = torch.tensor(values)
    mask = ~tensor.isnan()
    assert torch.equal(whiten(tensor, mask), torch.zeros_like(tensor))
    assert torch.equal(whiten(tensor, mask, shift_mean=False), tensor.nan_to_num(0.0))


def test_group_baselines_by_hand() -> None:
    rewards = rows([1.0, 4.0, 1.0])
    # the others' means: 2.5, 1, 2.5
    assert leave_one_out(rewards).tolist() == [[-1.5, 3.0, -1.5]]
    # mean 2, variance (1 + 4 + 1) / 3 = 2
    assert group_normalised(rewards, scale=False).tolist() == [[-1.0, 2.0, -1.0]]
    expected = rows([-1.0, 2.0, -1.0]) / math.sqrt(2.0)
    torch.testing.assert_close(group_normalised(rewards), expected)
    assert against_baseline(rewards, torch.tensor([3.0])).tolist() == [[-2.0, 1.0, -2.0]]


def test_groups_do_not_see_each_other() -> None:
    generator = torch.Generator().manual_seed(1)
    rewards = torch.randn(3, 5, dtype=torch.float64, generator=generator)
    for advantages in (leave_one_out, group_normalised):
        alone = torch.cat([advantages(group[None]) for group in rewards])
        torch.testing.assert_close(advantages(rewards), alone)
    slow = [[r - (sum(group) - r) / 4 for r in group] for group in rewards.tolist()]
    torch.testing.assert_close(leave_one_out(rewards), rows(*slow))
    scaled = group_normalised(rewards)
    torch.testing.assert_close(scaled.mean(dim=1), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(scaled.square().mean(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(group_normalised(3.0 * rewards + 1.0), scaled)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rewards_are_exactly_zero(dtype: torch.dtype) -> None:
    # 0.1 three times has no exact mean; 0.1 + 0.2 is not 0.3; their differences are not 0 either
    unequal = [0.0, 0.0, 1.0]
    groups = [[0.1, 0.1, 0.1], [0.1 + 0.2, 0.3, 0.3], [0.1 + 0.2 - 0.3, 0.0, 0.0], [-7.3] * 3, unequal]
    rewards = torch.tensor(groups, dtype=dtype)
    for advantages in (
        leave_one_out(rewards),
        group_normalised(rewards),
        group_normalised(rewards, scale=False),
    ):
        assert (advantages[:4] == 0).all()
        assert (advantages[4] != 0).all()
    assert (against_baseline(rewards[:1], rewards[:1, 0]) == 0).all()


@pytest.mark.parametrize("shape", [(4, 1), (4,)])
@pytest.mark.parametrize("advantages", [leave_one_out, group_normalised])
def test_a_group_needs_two(advantages: object, shape: tuple[int, ...]) -> None:
    assert callable(advantages)
    with pytest.raises(ValueError, match=r"at least 2 samples a group, got .* Sample more lists per prompt"):
        advantages(torch.zeros(shape))
