"""Any Hugging Face causal model, by folder or id, with its own chat template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pydantic
import torch
from tokenizers import AddedToken

from steerec.config import Config
from steerec.control.wording import spoken_name
from steerec.data.catalog import Catalog
from steerec.errors import SourceError
from steerec.items.identifier import AtomicIdentifier, Identifier, TitleIdentifier
from steerec.items.titles import title_texts
from steerec.llm.chat import plain_encoder
from steerec.llm.language_model import LanguageModel, load_weights


class PretrainedConfig(Config):
    """A pretrained model and what prompts show it."""

    kind: Literal["pretrained"] = "pretrained"
    """Which family of language models this configures."""
    source: str
    """Folder or Hugging Face id; weights must be safetensors, remote code is never run."""
    identifier: Literal["atomic", "title"] = "title"
    """Titles, or one added token per item (its embedding starts as the mean of its title's)."""
    num_slots: pydantic.PositiveInt = 50
    """Positions of a list with a token of their own (atomic)."""
    max_history: pydantic.NonNegativeInt = 20
    """Most recent items shown in a prompt."""
    context_length: pydantic.PositiveInt = 2048
    """Positions used, at most those of the model."""


def load_pretrained(catalog: Catalog, config: PretrainedConfig, *, name: str | None = None) -> LanguageModel:
    """Load a pretrained model as a language model over a catalogue.

    Args:
        catalog: N items.
        config: which model, and how items are spelled.
        name: what tables call it; the source by default.

    Raises:
        SourceError: the model cannot be found, has no safetensors weights, or needs remote code.
        DataError: a title does not come back from its tokens.
    """
    try:
        model, tokenizer = load_weights(config.source)
    except (OSError, ValueError) as error:
        raise SourceError(
            f'The model "{config.source}" could not be loaded: {str(error).splitlines()[0]} '
            "Give a folder or id of a causal model with safetensors weights that needs no remote code."
        ) from None
    encode, titles = plain_encoder(tokenizer), title_texts(catalog)
    if config.identifier == "title":
        identifier: Identifier = TitleIdentifier(titles, encode, decode=_decoder(tokenizer))
    else:
        identifier = _add_items(model, tokenizer, [encode(f" {title}") for title in titles], config.num_slots)
    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        identifier=identifier,
        name=name or config.source,
        max_history=config.max_history,
        max_context=config.context_length,
        displays=tuple(spoken_name(item, catalog) for item in catalog.item_ids),
    )


def _decoder(tokenizer: Any) -> Callable[[list[int]], str]:
    def decode(ids: list[int]) -> str:
        text: str = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text

    return decode


def _add_items(model: Any, tokenizer: Any, spellings: list[list[int]], num_slots: int) -> AtomicIdentifier:
    """Add slot and item tokens to a model; an item starts as the mean of its title's tokens."""
    names = [f"<|{j}|>" for j in range(1, num_slots + 1)] + [f"<|item:{i}|>" for i in range(len(spellings))]
    first_slot = max(len(tokenizer), model.config.vocab_size)
    filler = [f"<|unused:{i}|>" for i in range(first_slot - len(tokenizer))]
    tokenizer.add_tokens([AddedToken(n, special=True) for n in filler + names], special_tokens=True)
    table = model.get_input_embeddings().weight.detach()
    means = [table[list(ids)].mean(dim=0) for ids in spellings]
    slots = table.mean(dim=0).expand(num_slots, -1)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for weight in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
            weight[first_slot:] = torch.cat([slots, torch.stack(means)])
    return AtomicIdentifier(
        num_items=len(spellings),
        first_item_id=first_slot + num_slots,
        first_slot_id=first_slot,
        num_slots=num_slots,
    )
