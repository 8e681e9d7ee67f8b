"""A second device without a GPU: tensors that compute on the CPU, say "cuda", and refuse to be mixed.

Code that moves all that it computes with to where the weights are passes; a tensor that was forgotten raises
what CUDA raises. What it cannot show: numbers (they are those of the CPU), memory, speed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from steerec import hardware

GPU = torch.device("cuda")
_MAY_MIX = {
    torch.ops.aten.copy_.default,
    torch.ops.aten._to_copy.default,
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}
"""Operations that take tensors of two devices on CUDA too: copies, and indices on the CPU."""


class Elsewhere(Tensor):
    """A tensor on the other device; the numbers are in `inner`."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            requires_grad=requires_grad,
        )
        made.inner = inner
        return made  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Elsewhere({self.inner})"

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
        here = [one for one in tensors if not isinstance(one, Elsewhere) and one.dim()]
        if here and func not in _MAY_MIX:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two: {func} got one of "
                f"shape {tuple(here[0].shape)} on the CPU."
            )
        given, named = tree_map(_inner, (args, dict(kwargs or {})))
        if func is torch.ops.aten.copy_.default and not isinstance(args[0], Elsewhere):
            return func(*given, **named)
        found = func(*given, **named)
        if func._schema.is_mutable and isinstance(args[0], Elsewhere):
            return args[0]
        return tree_map(_there, found)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Elsewhere) else value


def _there(value: Any) -> Any:
    return Elsewhere(value) if isinstance(value, Tensor) and not isinstance(value, Elsewhere) else value


class _Machine(TorchFunctionMode):
    """Makes tensors where they are asked for, and moves them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].inner.tolist()
        wanted = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.device)]
        home = func is Tensor.cpu or (wanted and wanted[0].type == "cpu") or "cpu" in args[1:]
        if home and func in (Tensor.cpu, Tensor.to) and isinstance(args[0], Elsewhere):
            return args[0].detach().inner
        if wanted and wanted[0].type == "cuda" and func is not torch._C._nn._parse_to:
            plain = [torch.device("cpu") if isinstance(one, torch.device) else one for one in args]
            named = {
                name: torch.device("cpu") if isinstance(one, torch.device) else one
                for name, one in kwargs.items()
            }
            if isinstance(args[0] if args else None, Elsewhere):  # it is there: only its type may change
                return func(*plain, **named)
            return tree_map(_there, func(*plain, **named))
        return func(*args, **kwargs)


@contextmanager
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let networks live on the other device for a while."""
    here = hardware.device
    for name, module in list(sys.modules.items()):
        if name.startswith("steerec.") and getattr(module, "device", None) is here:
            monkeypatch.setattr(module, "device", lambda: GPU)
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with _Machine():
            yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
        monkeypatch.undo()
