"""What the machine has, and what it can do."""

from __future__ import annotations

import torch

_FLAGS = ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")


def device() -> torch.device:
    """Return where networks live: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Return whether a device has bfloat16 arithmetic; imitated, it is many times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return any(torch.cpu.get_capabilities().get(flag, False) for flag in _FLAGS)
    return True
