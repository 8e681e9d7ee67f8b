"""Optimisers: AdamW, and AdamW with one second moment per row of an embedding table; learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

OptimiserName = Literal["adamw", "rowwise_adamw"]
Schedule = Literal["constant", "linear", "cosine", "quadratic"]


def build_optimiser(
    model: nn.Module, name: OptimiserName, *, lr: float, betas: tuple[float, float], eps: float, decay: float
) -> torch.optim.Optimizer:
    """Return an optimiser of the parameters that need a gradient.

    Args:
        model: what is trained.
        name: "rowwise_adamw" keeps one second moment per row of its embedding tables; the rest is AdamW's.
        lr: learning rate.
        betas: decay rates of the moments.
        eps: denominator offset.
        decay: decoupled weight decay, on matrices only.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = parameter_groups(trained, decay)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps)
    tables = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
    return RowwiseAdamW(groups, lr=lr, betas=betas, eps=eps, is_table=lambda p: id(p) in tables)


def parameter_groups(parameters: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW groups: decay on matrices, none on vectors (norms, biases)."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


class RowwiseAdamW(torch.optim.Optimizer):
    """AdamW whose second moment is one number per row of a table: the mean of the row's squared gradients.

    A table of N rows and D columns keeps N D + N numbers instead of 2 N D (Gupta et al. 2014; Zhai et al.
    2024, arXiv 2402.17152, section 2.3, for HSTU's item tables). Other parameters have AdamW's own moments.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        is_table: Callable[[Tensor], bool],
    ) -> None:
        """Prepare groups.

        Args:
            params: parameter groups, each with its "weight_decay".
            lr: learning rate.
            betas: decay rates of the moments.
            eps: denominator offset.
            is_table: whether a parameter has one second moment per row.
        """
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        self._is_table = is_table

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (first, second) = self.state[parameter], group["betas"]
        squares = gradient.square()
        if self._is_table(parameter):
            squares = squares.mean(dim=1, keepdim=True)
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(squares)
        state["step"] += 1
        state["exp_avg"].lerp_(gradient, 1.0 - first)
        state["exp_avg_sq"].lerp_(squares, 1.0 - second)
        steps = float(state["step"])
        scale = (state["exp_avg_sq"] / (1.0 - second**steps)).sqrt_().add_(group["eps"])
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.sub_(group["lr"] / (1.0 - first**steps) * state["exp_avg"] / scale)


def rate_factor(kind: Schedule, step: int, *, max_steps: int, warmup_ratio: float) -> float:
    """Return the factor on the learning rate at a step, in [0, 1].

    Args:
        kind: how it falls to 0 after the warm-up; quadratic is the square of linear.
        step: counted from 0.
        max_steps: steps of the whole training.
        warmup_ratio: share of them in which the rate rises linearly from 0.
    """
    warmup = round(warmup_ratio * max_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    share = (step - warmup) / max(max_steps - warmup, 1)
    if kind == "linear":
        return 1.0 - share
    if kind == "quadratic":
        return (1.0 - share) ** 2
    if kind == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * share))
    return 1.0
