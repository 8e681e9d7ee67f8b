"""Dropout for models that have none: hooks put on for training and taken off after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from steerec.errors import ConfigError


@contextmanager
def added_dropout(model: Any, *, embedding: float = 0.0, residual: float = 0.0) -> Iterator[None]:
    """Drop entries of the token embeddings and of what each block adds to the residual stream.

    Llama-like models come without dropout, but a thousand users are few: without it they are learned by
    heart (Srivastava et al. 2014; the places are those of SASRec, Kang and McAuley 2018, arXiv 1808.09781).
    It acts in training mode only, and leaves weights and class untouched.

    Args:
        model: a Hugging Face causal model whose decoder has `layers` with `self_attn` and `mlp`.
        embedding: probability for the token embeddings, in [0, 1).
        residual: probability for the outputs of attention and feed-forward layers, in [0, 1).

    Raises:
        ConfigError: the model has no such layers.
    """
    places = _places(model, embedding, residual)
    handles = [module.register_forward_hook(_hook(probability)) for module, probability in places]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _places(model: Any, embedding: float, residual: float) -> list[tuple[nn.Module, float]]:
    places: list[tuple[nn.Module, float]] = []
    if embedding:
        places.append((model.get_input_embeddings(), embedding))
    if residual:
        try:
            layers = model.get_decoder().layers
            places += [(part, residual) for layer in layers for part in (layer.self_attn, layer.mlp)]
        except AttributeError:
            raise ConfigError(
                f"{type(model).__name__} has no decoder layers with self_attn and mlp, so residual dropout "
                "cannot be added. Set residual_dropout to 0."
            ) from None
    return places


def _hook(probability: float) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (_drop(output[0], probability), *output[1:])
        return _drop(output, probability)

    return hook


def _drop(values: Tensor, probability: float) -> Tensor:
    return functional.dropout(values, probability)
