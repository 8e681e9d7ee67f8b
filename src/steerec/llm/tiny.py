"""The `tiny` model: a Llama of about a million weights, built here from a catalogue and a list of phrasings.

Its vocabulary is: special tokens, byte-level BPE words, slot tokens <|1|>.., item tokens <|item:0|>.. .
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as RawTokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from steerec.config import Config
from steerec.control.wording import spoken_name
from steerec.data.catalog import Catalog
from steerec.items.identifier import AtomicIdentifier, Identifier, TitleIdentifier
from steerec.items.text import item_texts
from steerec.items.titles import title_texts
from steerec.llm.chat import plain_encoder, read_frame
from steerec.llm.copy_llama import CopyLlamaConfig, CopyLlamaForCausalLM, TitleCopyLlamaForCausalLM
from steerec.llm.language_model import TINY, LanguageModel
from steerec.llm.spelling_reader import read_tables

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% if message.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


class TinyConfig(Config):
    """Shape of the tiny model; the defaults are the demo's."""

    kind: Literal["tiny"] = "tiny"
    """Which family of language models this configures."""
    identifier: Literal["atomic", "title"] = "atomic"
    """One token per item, or titles."""
    num_words: pydantic.PositiveInt = 1500
    """Size of the byte-level BPE vocabulary, at least 260; items and slots come on top."""
    num_slots: pydantic.PositiveInt = 50
    """Positions of a list with a token of their own (atomic); later positions share the last one."""
    hidden_size: pydantic.PositiveInt = 128
    """Width of embeddings and layers."""
    num_layers: pydantic.PositiveInt = 3
    """Transformer blocks."""
    num_heads: pydantic.PositiveInt = 4
    """Attention heads; divides hidden_size."""
    intermediate_size: pydantic.PositiveInt = 344
    """Width of the gated feed-forward layer."""
    copy_dim: pydantic.NonNegativeInt = 32
    """Width of the signed copy head over items; 0 builds a plain Llama."""
    max_history: pydantic.NonNegativeInt = 400
    """Most recent items shown in a prompt."""
    context_length: pydantic.PositiveInt = 1024
    """Positions."""
    initializer_range: pydantic.PositiveFloat = 0.02
    """Standard deviation of the initial weights."""
    vector_range: pydantic.PositiveFloat = 0.1
    """Standard deviation of item embeddings that start from vectors."""
    seed: int = 0
    """Seed of the initial weights."""


def build_tiny(
    catalog: Catalog,
    phrasings: Iterable[str],
    config: TinyConfig,
    *,
    item_vectors: Sequence[NDArray[np.float32]] = (),
) -> LanguageModel:
    """Build an untrained tiny language model.

    Args:
        catalog: N items.
        phrasings: sentences that instructions are made of, for the word vocabulary.
        config: shape of the model.
        item_vectors: tables (N, any width) such as teacher and text vectors; projected together to the width
            of the embeddings, they initialise the item tokens. Empty: random.

    Returns:
        The language model, in evaluation mode.
    """
    words = build_tokenizer([*item_texts(catalog), *catalog.displays, *phrasings], config)
    if config.identifier == "title":
        encode = plain_encoder(words)
        identifier: Identifier = TitleIdentifier(title_texts(catalog), encode, decode=words.decode)
    else:
        identifier = _add_items(words, len(catalog), config.num_slots)
    model = _build_model(words, identifier, config)
    if item_vectors and isinstance(identifier, AtomicIdentifier):
        vectors = project_vectors(item_vectors, config.hidden_size, config.vector_range)
        first = identifier.first_item_id
        with torch.no_grad():
            model.get_input_embeddings().weight[first : first + len(vectors)] = torch.from_numpy(vectors)
    if isinstance(identifier, AtomicIdentifier):
        first, vectors = identifier.first_slot_id, number_vectors(config)
        with torch.no_grad():
            model.get_input_embeddings().weight[first : first + len(vectors)] = torch.from_numpy(vectors)
    if isinstance(model, TitleCopyLlamaForCausalLM):
        popularity = np.log(np.asarray(catalog.popularity, np.float32) + 0.5)
        with torch.no_grad():
            model.item_prior.copy_(torch.from_numpy(popularity - popularity.mean()))
    return LanguageModel(
        model=model.eval(),
        tokenizer=words,
        identifier=identifier,
        name=TINY,
        max_history=config.max_history,
        max_context=config.context_length,
        displays=tuple(spoken_name(item, catalog) for item in catalog.item_ids),
        reads_numbers=True,
    )


def number_vectors(config: TinyConfig) -> NDArray[np.float32]:
    """Return what the tokens of places start from: waves of many lengths, so that near numbers are alike.

    Large language models come to represent numbers so by themselves (Zhou et al. 2024, arXiv 2406.03445,
    "Pre-trained Large Language Models Use Fourier Features to Compute Addition"). A length that is never
    asked for in training then lies between those that are.

    Args:
        config: number of slots, width D, and standard deviation.

    Returns:
        (num_slots, D) float32.
    """
    number = np.arange(1, config.num_slots + 1)[:, None]
    half = (config.hidden_size + 1) // 2
    length = np.geomspace(_SHORTEST_WAVE, 4 * config.num_slots, half)[None, :]
    angle = 2 * np.pi * number / length  # (num_slots, D / 2)
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)[:, : config.hidden_size]
    return np.asarray(waves * np.sqrt(2.0) * config.vector_range, np.float32)


_SHORTEST_WAVE = 2.5


def build_tokenizer(texts: Iterable[str], config: TinyConfig) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on texts; it can spell anything, and comes with a chat template."""
    raw = RawTokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.num_words,
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=config.context_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def _add_items(tokenizer: Any, num_items: int, num_slots: int) -> AtomicIdentifier:
    first_slot = len(tokenizer)
    names = [f"<|{j}|>" for j in range(1, num_slots + 1)] + [f"<|item:{i}|>" for i in range(num_items)]
    tokenizer.add_tokens([AddedToken(name, special=True) for name in names], special_tokens=True)
    return AtomicIdentifier(
        num_items=num_items,
        first_item_id=first_slot + num_slots,
        first_slot_id=first_slot,
        num_slots=num_slots,
    )


def _build_model(words: Any, identifier: Identifier, config: TinyConfig) -> PreTrainedModel:
    vocab_size, reply_end = len(words), read_frame(words).reply[-1]
    options: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_heads,
        "max_position_embeddings": config.context_length,
        "initializer_range": config.initializer_range,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 3,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if not config.copy_dim:
            return LlamaForCausalLM(LlamaConfig(**options))
        options["copy_dim"] = config.copy_dim
        if isinstance(identifier, AtomicIdentifier):
            items = {"first_item": identifier.first_item_id, "num_items": identifier.num_items}
            return CopyLlamaForCausalLM(CopyLlamaConfig(**items, **options))
        tables = read_tables(identifier, reply_end, vocab_size)
        return TitleCopyLlamaForCausalLM.with_tables(tables, **options)


def project_vectors(
    tables: Sequence[NDArray[np.float32]], width: int, standard_deviation: float
) -> NDArray[np.float32]:
    """Project several vector tables of the same items together to one width, by principal components.

    Args:
        tables: each (N, any width); each is centred and scaled to the same total variance first, so that
            none dominates by its units.
        width: D.
        standard_deviation: of all entries of the result.

    Returns:
        (N, D) float32; columns beyond the rank of the tables are 0.
    """
    scaled = []
    for table in tables:
        centred = np.asarray(table, np.float64) - np.mean(table, axis=0, dtype=np.float64)
        scaled.append(centred / max(float(np.linalg.norm(centred)), 1e-12))
    left, values, _ = np.linalg.svd(np.concatenate(scaled, axis=1), full_matrices=False)
    kept = (left * values)[:, :width]
    result = np.zeros((len(kept), width))
    result[:, : kept.shape[1]] = kept
    return (result * (standard_deviation / max(float(result.std()), 1e-12))).astype(np.float32)
