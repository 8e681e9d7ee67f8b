"""Row-wise AdamW: AdamW where there is one row of one number, a step by hand, and what it keeps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steerec.optimisers import RowwiseAdamW, build_optimiser


class _Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.layer = nn.Embedding(50, 4), nn.Linear(4, 3)

    def forward(self) -> torch.Tensor:
        wanted = torch.arange(150.0).view(50, 3).sin()
        return (self.layer(self.table.weight) - wanted).square().mean()


def _trained(name: str, steps: int = 5) -> tuple[_Model, torch.optim.Optimizer, float]:
    model = _Model()
    optimiser = build_optimiser(model, name, lr=0.05, betas=(0.9, 0.99), eps=1e-8, decay=0.1)  # type: ignore[arg-type]
    for _ in range(steps):
        optimiser.zero_grad()
        model().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return model, optimiser, model().item()


def test_without_tables_it_is_adamw() -> None:
    plain, _, _ = _trained("adamw")
    model = _Model()
    groups = [
        {"params": [model.table.weight, model.layer.weight], "weight_decay": 0.1},
        {"params": [model.layer.bias], "weight_decay": 0.0},
    ]
    optimiser = RowwiseAdamW(groups, lr=0.05, betas=(0.9, 0.99), eps=1e-8, is_table=lambda _: False)
    for _ in range(5):
        optimiser.zero_grad()
        model().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    for one, other in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_first_step_of_a_row_is_its_gradient_over_its_mean_size() -> None:
    """Both moments are unbiased at step 1, so a row moves by lr g / sqrt(mean g^2), after its decay."""
    table = nn.Embedding(2, 2)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    optimiser = build_optimiser(table, "rowwise_adamw", lr=0.1, betas=(0.9, 0.99), eps=0.0, decay=0.5)
    table.weight.grad = torch.tensor([[3.0, 4.0], [1.0, -1.0]])
    optimiser.step()
    root = (12.5) ** 0.5
    expected = [
        [1 * 0.95 - 0.1 * 3 / root, 2 * 0.95 - 0.1 * 4 / root],
        [3 * 0.95 - 0.1, 4 * 0.95 + 0.1],
    ]
    assert torch.allclose(table.weight, torch.tensor(expected), atol=1e-6)


def test_tables_keep_one_second_moment_per_row_and_train_as_well() -> None:
    _, optimiser, loss = _trained("rowwise_adamw", steps=200)
    sizes = sorted(state["exp_avg_sq"].numel() for state in optimiser.state.values())
    assert sizes == [3, 12, 50]  # bias, matrix of the layer, rows of the table
    assert loss == pytest.approx(_trained("adamw", steps=200)[2], rel=0.5)
