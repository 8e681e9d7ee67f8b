"""Training the reader: worlds, sentences drawn on the fly, one loop; and the folder a reader lives in.

Legend: B sentences of a batch.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.config import Config
from steerec.data.catalog import Catalog
from steerec.errors import DataError
from steerec.instruct.self_instruct import Write
from steerec.items.vectors import TextEncoder
from steerec.llm.writing import chat_writer
from steerec.loop import StepOutput, TrainingConfig, TrainingResult, train
from steerec.seeding import derive_seed, numpy_rng
from steerec.understand.keyword import KeywordReader
from steerec.understand.lines.schema import Schema
from steerec.understand.model.batches import Batcher, TextVectors, Written
from steerec.understand.model.drawing import Sentence, write_example
from steerec.understand.model.network import ReaderBatch, ReaderConfig, ReaderNetwork
from steerec.understand.model.paraphrasing import ParaphraseConfig, grown_sentences
from steerec.understand.model.worlds import World, make_worlds, world_of

if TYPE_CHECKING:
    from transformers import BertModel

READER = "reader.json"
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
_POOL = 8
"""Batches whose sentences are drawn together and sorted by length, so that little is padding."""


class ReaderTrainingConfig(Config):
    """How a reader is trained."""

    network: ReaderConfig = ReaderConfig()
    training: TrainingConfig = TrainingConfig(
        max_steps=2000,
        learning_rate=3e-4,
        adam_beta2=0.98,
        weight_decay=0.01,
        warmup_ratio=0.05,
        lr_scheduler_type="linear",
        bf16=True,
        logging_steps=25,
        eval_steps=500,
        save_steps=100,
    )
    batch_size: pydantic.PositiveInt = 64
    """Sentences of a micro-batch."""
    copies: pydantic.NonNegativeInt = 4
    """Versions of every invented catalogue; 0: the given catalogues alone."""
    catalog_weight: pydantic.NonNegativeFloat = 40.0
    """Share of the sentences about the given catalogues, each against about 100 for all invented ones."""
    paraphrase: ParaphraseConfig | None = None
    """Sentences said again by a language model, beside the composed ones; None: composed ones alone."""
    num_validation: pydantic.PositiveInt = 400
    """Generated sentences on which training is watched."""


def train_reader(
    config: ReaderTrainingConfig,
    catalogs: Sequence[Catalog],
    folder: Path,
    *,
    encoder: TextEncoder | None = None,
    write: Write | None = None,
) -> TrainingResult:
    """Train a reader and write it to `folder/model`; goes on where an unfinished training stopped.

    Args:
        config: shape, steps, batch.
        catalogs: real catalogues to practise on beside the invented ones; may be empty.
        folder: receives the training's log and checkpoints, and the reader.
        encoder: MiniLM; None takes the installed one.
        write: the language model that paraphrases; None loads the one that the configuration names, if any.

    Raises:
        SourceError: MiniLM is not installed, or the language model is not to be had.
    """
    encoder = encoder or TextEncoder()
    vectors = TextVectors(encoder.encode)
    seed = config.training.seed
    worlds = make_worlds(vectors, seed, config.copies)
    worlds += [world_of(Schema.of(one), one.displays, vectors, config.catalog_weight) for one in catalogs]
    grown = _grown(config, worlds, catalogs, folder, encoder, write)
    torch.manual_seed(derive_seed(seed, "reader"))
    network = build_network(encoder.folder, config.network)
    batcher = Batcher(encoder.folder / _TOKENIZER, vectors, network.start.shape[0])
    draw = _Drawer(worlds, batcher, config, grown)
    held_out = [
        draw.pool(-1 - i, min(64, config.num_validation)) for i in range(-(-config.num_validation // 64))
    ]
    result = train(
        network,
        draw.batch,
        _step,
        config.training,
        folder,
        stage="reader",
        evaluate=lambda model: _watch(model, held_out),
    )
    save_reader(network, encoder.folder / _TOKENIZER, folder / "model")
    return result


def _grown(
    config: ReaderTrainingConfig,
    worlds: Sequence[World],
    catalogs: Sequence[Catalog],
    folder: Path,
    encoder: TextEncoder,
    write: Write | None,
) -> list[Sentence]:
    """Return the paraphrases that the configuration asks for; keywords read back those of real catalogues."""
    if config.paraphrase is None:
        return []
    first = len(worlds) - len(catalogs)
    return grown_sentences(
        config.paraphrase,
        worlds,
        folder,
        encoder.encode,
        {first + i: KeywordReader(one, encoder.encode) for i, one in enumerate(catalogs)},
        lambda own: write or chat_writer(own.writer, temperature=own.temperature, seed=own.seed),
    )


class _Drawer:
    """Draws batches; a pure function of the step."""

    def __init__(
        self,
        worlds: Sequence[World],
        batcher: Batcher,
        config: ReaderTrainingConfig,
        grown: Sequence[Sentence] = (),
    ) -> None:
        self._worlds, self._batcher, self._config = worlds, batcher, config
        self._grown, self._share = grown, config.paraphrase.share if config.paraphrase else 0.0
        self._pool = lru_cache(maxsize=2)(self._draw_pool)

    def batch(self, step: int, micro: int) -> ReaderBatch:
        number = step * self._config.training.gradient_accumulation_steps + micro
        return self._batcher.batch(self._pool(number // _POOL)[number % _POOL])

    def _draw_pool(self, number: int) -> list[list[Written]]:
        size, seed = self._config.batch_size, self._config.training.seed
        drawn = [
            write_example(self._worlds, seed, i, self._grown, self._share)[1]
            for i in range(number * size * _POOL, (number + 1) * size * _POOL)
        ]
        drawn.sort(key=lambda one: (len(one.offer.sentence), len(one.offer.choices)))
        order = numpy_rng(seed, "pool", number).permutation(_POOL)
        return [drawn[int(i) * size : (int(i) + 1) * size] for i in order]

    def pool(self, number: int, size: int) -> ReaderBatch:
        """Return held-out sentences: numbers below 0 are never trained on."""
        seed = self._config.training.seed
        return self._batcher.batch(
            [write_example(self._worlds, seed, number * 1000 - i)[1] for i in range(size)]
        )


def _step(model: nn.Module, batch: ReaderBatch) -> StepOutput:
    assert isinstance(model, ReaderNetwork)
    loss, size, right = model.loss(batch)
    return StepOutput(loss, float(size), {"accuracy": float(right)}, int(batch.present.sum()))


def _watch(model: nn.Module, batches: Sequence[ReaderBatch]) -> dict[str, float]:
    """Share of held-out sentences whose every token would be written right."""
    assert isinstance(model, ReaderNetwork)
    right = total = 0
    for batch in batches:
        scores = model.decode(model.encode(batch), batch.targets[:, :-1])
        fits = (scores.argmax(-1) == batch.targets) | (batch.targets < 0)
        right, total = right + int(fits.all(1).sum()), total + len(fits)
    return {"exact": right / total}


def build_network(folder: Path, config: ReaderConfig) -> ReaderNetwork:
    """Return an untrained reader on the encoder of a folder in transformers format."""
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return ReaderNetwork(encoder, config)


def save_reader(network: ReaderNetwork, tokenizer: Path, folder: Path) -> None:
    """Write a reader: its shape as JSON, its weights as safetensors, its tokenizer."""
    encoder: Any = network.encoder
    with atomic_path(folder) as part:
        part.mkdir()
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, part / _WEIGHTS)
        shutil.copyfile(tokenizer, part / _TOKENIZER)
        shape = {"schema": 1, "network": network.config, "encoder": encoder.config.to_dict()}
        write_json(part / READER, shape)


def load_network(folder: Path) -> tuple[ReaderNetwork, Path]:
    """Return the network of a reader's folder, ready to read, and its tokenizer's file.

    Raises:
        DataError: the folder holds no reader.
    """
    from transformers import BertConfig, BertModel

    folder = Path(folder)
    if not (folder / READER).is_file():
        raise DataError(
            f"{folder} holds no reader: it has no {READER}. Train one with `steerec run reader`, or give the "
            "folder `reader/model` of such a run."
        )
    shape = read_json(folder / READER)
    encoder: BertModel = BertModel(BertConfig(**shape["encoder"]), add_pooling_layer=False)
    network = ReaderNetwork(encoder, ReaderConfig(**shape["network"]))
    network.load_state_dict(load_file(folder / _WEIGHTS))
    return network.eval(), folder / _TOKENIZER
