"""A language model as a recommender sees it: weights, tokenizer, item spelling and prompt layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.errors import RequestError, SourceError
from steerec.hardware import device
from steerec.items.identifier import AtomicIdentifier, Identifier, identifier_from_dict
from steerec.llm import copy_llama  # noqa: F401  (registers the tiny model's class with transformers)
from steerec.llm.chat import Frame, Tokenizer, encode_words, plain_encoder, read_frame
from steerec.processes import is_first, wait

# One progress bar a stage, and it is ours: loading a small model needs none.
disable_progress_bar()

TINY = "tiny"
"""Name of the models that are built here, from nothing."""
_MANIFEST = "language_model.json"
_HISTORY_HEADER = "My history, oldest first:\n"
_INSTRUCTION_HEADER = "\n"


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageModel:
    """A causal language model that reads histories and writes lists of items.

    A prompt is the frame's opening, the history (oldest first), the instruction and the frame's reply header;
    it ends right where the marker of the first item is to be written.

    Attributes:
        model: a Hugging Face causal model; it is moved to the GPU where there is one.
        tokenizer: its fast tokenizer.
        identifier: how items are spelled in its vocabulary.
        name: "tiny", "smollm2-135m", or the folder or id of a pretrained model.
        max_history: most recent items of a history that a prompt shows.
        max_context: positions used, at most those of the model.
        displays: N names that lead back to their items, ids where display names do not; with atomic items, a
            quoted name in an instruction is read as the item.
        reads_numbers: whether, with atomic items, a number in an instruction is the token of that many items
            left, so that "ten films" and the first line of such a list say the same.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    identifier: Identifier
    name: str
    max_history: int
    max_context: int
    displays: tuple[str, ...] = ()
    reads_numbers: bool = False

    def __post_init__(self) -> None:
        """Move the weights to where networks live."""
        self.model.to(device())

    @cached_property
    def frame(self) -> Frame:
        """Token frame of a conversation."""
        return read_frame(self.tokenizer)

    @property
    def end_id(self) -> int:
        """Token that ends an answer."""
        return self.frame.end

    @property
    def pad_id(self) -> int:
        """Token that fills short rows; always masked."""
        pad = getattr(self.tokenizer, "pad_token_id", None)
        return self.end_id if pad is None else int(pad)

    @property
    def context_length(self) -> int:
        """Positions that prompt and answer may use together."""
        return min(self.max_context, int(self.model.config.max_position_embeddings))

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return int(self.model.config.vocab_size)

    @property
    def converses(self) -> bool:
        """Whether it speaks a language beyond requests: it was pretrained; a model built here was not."""
        return self.name != TINY

    @property
    def num_parameters(self) -> int:
        """Number of weights."""
        return int(sum(parameter.numel() for parameter in self.model.parameters()))

    @cached_property
    def _mentions(self) -> Mapping[str, int]:
        if self.identifier.name != "atomic":
            return {}
        # Works listed twice share a name; the first is the one that a name means.
        return {name: self.identifier.spell(i)[0][0] for i, name in reversed(list(enumerate(self.displays)))}

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        if not self.reads_numbers or not isinstance(self.identifier, AtomicIdentifier):
            return {}
        return {str(number): token for number, token in self.identifier.numbers.items()}

    @cached_property
    def _headers(self) -> tuple[list[int], list[int]]:
        if self.identifier.name == "atomic":
            return [], []
        encode = plain_encoder(self.tokenizer)
        return encode(_HISTORY_HEADER), encode(_INSTRUCTION_HEADER)

    def encode_prompt(self, history: Sequence[int], instruction: str, count: int = 10) -> list[int]:
        """Return the token ids of a prompt that leaves room for a list of `count` items.

        Args:
            history: item indices, oldest first; the oldest are left out where they do not fit.
            instruction: what is asked, in words.
            count: length of the list that will be written.

        Raises:
            RequestError: even without a history the list does not fit; the message names the largest count.
        """
        tokens, _ = self.encode_parts(history, instruction, self.answer_length(count))
        if tokens is None:
            room = self.context_length - self._frame_length(instruction) - 1
            largest = self.identifier.largest_count(max(room, 0))
            raise RequestError(
                f"A list of {count} items does not fit the {self.context_length} positions of {self.name}; "
                f"the largest count that fits with this request is {largest}. Ask for fewer items."
            )
        return tokens

    def encode_parts(
        self, history: Sequence[int], instruction: str, answer_length: int
    ) -> tuple[list[int] | None, tuple[int, int]]:
        """Return a prompt and the range of its history tokens, or None if the answer cannot fit.

        Args:
            history: item indices, oldest first.
            instruction: what is asked, in words.
            answer_length: tokens to be kept free for the answer, its end token included.
        """
        words = self.encode_words(instruction)
        room = self.context_length - answer_length - self._frame_length(instruction, words)
        if room < 0:
            return None, (0, 0)
        shown = self._recent(history, room)
        before, after = self._headers if shown else ([], [])
        start = len(self.frame.opening) + len(before)
        tokens = [*self.frame.opening, *before, *shown, *after, *words, *self.frame.reply]
        return tokens, (start, start + len(shown))

    def _frame_length(self, instruction: str, words: Sequence[int] | None = None) -> int:
        words = self.encode_words(instruction) if words is None else words
        return len(self.frame.opening) + len(self.frame.reply) + len(words)

    def _recent(self, history: Sequence[int], room: int) -> list[int]:
        """Return the tokens of the longest recent part of a history that fits in `room` with its headers."""
        room -= sum(map(len, self._headers))
        pieces: list[list[int]] = []
        for item in reversed(history[-self.max_history :] if self.max_history else []):
            piece = self.identifier.history([int(item)])
            if len(piece) > room:
                break
            room -= len(piece)
            pieces.append(piece)
        return [token for piece in reversed(pieces) for token in piece]

    def encode_words(self, words: str) -> list[int]:
        """Return the token ids of words; with atomic items, quoted display names become item tokens."""
        return encode_words(plain_encoder(self.tokenizer), words, self._mentions, self._numbers)

    def decode_words(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, numbers as numerals; `encode_words` backwards."""
        names = {token: f" {numeral}" for numeral, token in self._numbers.items()}
        pieces: list[str] = []
        for is_number, run in groupby(tokens, key=names.__contains__):
            ids = list(run)
            pieces += [names[token] for token in ids] if is_number else [self.tokenizer.decode(ids)]
        return "".join(pieces)

    def encode_answer(self, items: Sequence[int]) -> list[int]:
        """Return the token ids of a list, ended by the end token."""
        return [*self.identifier.answer([int(item) for item in items]), self.end_id]

    def answer_length(self, count: int) -> int:
        """Return how many tokens a list of `count` items may need at most, the end token included."""
        return self.identifier.answer_length(count) + 1

    def with_model(self, model: PreTrainedModel) -> LanguageModel:
        """Return the same language model with other weights."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return LanguageModel(**{**fields, "model": model})

    def save_pretrained(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and spelling to a folder; of several processes the first."""
        if not is_first():
            return
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        fields = ("name", "max_history", "max_context", "displays", "reads_numbers")
        values = {name: getattr(self, name) for name in fields} | {"identifier": self.identifier.to_dict()}
        write_json(folder / _MANIFEST, values)

    def save_whole(self, folder: Path) -> None:
        """Write what `save_pretrained` writes, whole or not at all, in place of what the folder holds.

        Of several processes the first one writes and the others wait for it.
        """
        if is_first():
            with atomic_path(folder) as temporary:
                self.save_pretrained(temporary)
        wait()

    @classmethod
    def from_pretrained(cls, folder: Path) -> LanguageModel:
        """Read what `save_pretrained` wrote.

        Raises:
            SourceError: the folder holds no steerec language model.
        """
        folder = Path(folder)
        if not (folder / _MANIFEST).is_file():
            raise SourceError(
                f"{folder} holds no steerec language model ({_MANIFEST} is missing). Give the folder that "
                "save_pretrained wrote, or load a plain Hugging Face model with steerec.llm.pretrained."
            )
        values = read_json(folder / _MANIFEST)
        model, tokenizer = load_weights(str(folder), local_only=True)
        identifier = identifier_from_dict(values.pop("identifier"), plain_encoder(tokenizer))
        displays = tuple(values.pop("displays"))
        return cls(model=model, tokenizer=tokenizer, identifier=identifier, displays=displays, **values)


def load_weights(source: str, *, local_only: bool = False) -> tuple[PreTrainedModel, Any]:
    """Load a causal model (safetensors, no remote code) in float32, in evaluation mode, and its tokenizer.

    Args:
        source: a folder or a Hugging Face id.
        local_only: never look at the network.
    """
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local_only}
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    model = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True, dtype=torch.float32, **options)
    return model.eval(), tokenizer
