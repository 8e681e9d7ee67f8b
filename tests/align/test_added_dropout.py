"""Dropout is there in training mode inside the block, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from steerec.align.dropout import added_dropout
from steerec.errors import ConfigError

TOKENS = torch.arange(8)[None]


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_hidden_layers": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=16, initializer_range=0.5, **shape)).eval()


def states(model: LlamaForCausalLM) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=TOKENS).logits


def test_only_training_mode_inside_the_block_is_changed() -> None:
    model = llama()
    plain = states(model)
    with added_dropout(model, embedding=0.5, residual=0.5):
        assert torch.equal(states(model), plain)
        model.train()
        torch.manual_seed(1)
        first = states(model)
        assert not torch.equal(first, plain)
        assert not torch.equal(states(model), first)
        torch.manual_seed(1)
        assert torch.equal(states(model), first)
    assert torch.equal(states(model), plain)


def test_embeddings_are_dropped_and_scaled_up() -> None:
    model = llama().train()
    table = model.get_input_embeddings()
    with added_dropout(model, embedding=0.5):
        kept = table(TOKENS) / table.weight[:8]
    assert set(kept.unique().tolist()) == {0.0, 2.0}


def test_a_model_without_such_layers_is_refused() -> None:
    class Bare(nn.Module):
        def get_decoder(self) -> nn.Module:
            return self

    with pytest.raises(ConfigError, match="Set residual_dropout to 0"), added_dropout(Bare(), residual=0.1):
        pass
