"""A language model that writes text: answers to prompts, sampled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from steerec.errors import SourceError
from steerec.instruct.self_instruct import SelfInstructConfig, Write, grow_phrases, write_phrases
from steerec.llm.chat import read_frame
from steerec.llm.language_model import load_weights
from steerec.llm.smollm2 import NAME, converted_folder
from steerec.progress import progress
from steerec.seeding import derive_seed

_BATCH = 32


def grown_phrases(config: SelfInstructConfig | None, folder: Path) -> Path | None:
    """Return a file of grown phrasings in a folder, written first where it is not there; None without config.

    Args:
        config: how many, and how.
        folder: receives phrases.json.
    """
    path = folder / "phrases.json"
    if config is None:
        return None
    if not path.is_file():
        write = chat_writer(NAME, seed=config.seed) if config.num_phrasings else _silent
        write_phrases(grow_phrases(config, write), path)
    return path


def _silent(prompts: Sequence[str], number: int) -> list[str]:
    """Write nothing: the seeds stay alone."""
    del number
    return [""] * len(prompts)


def chat_writer(
    source: str, *, max_tokens: int = 40, temperature: float = 1.0, top_p: float = 0.9, seed: int = 0
) -> Write:
    """Return a chat model as a writer.

    Args:
        source: folder or Hugging Face id of a causal chat model, or "smollm2-135m", which is fetched where
            needed.
        max_tokens: longest answer.
        temperature: of the sampling.
        top_p: probability mass that is sampled from.
        seed: of the sampling.

    Raises:
        SourceError: the model is not to be had, or is no chat model.
    """
    folder = str(converted_folder()) if source == NAME else source
    try:
        model, tokenizer = load_weights(folder)
    except (OSError, ValueError) as error:
        raise SourceError(
            f'The model "{source}" could not be loaded: {str(error).splitlines()[0]} Give "{NAME}", or a '
            "folder or id of a causal chat model with safetensors weights that needs no remote code."
        ) from None
    if tokenizer.chat_template is None:
        raise SourceError(f'The model "{source}" has no chat template: it cannot be asked. Use a chat model.')
    end = read_frame(tokenizer).end
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # The template writes the special tokens.
    padded = {"add_special_tokens": False, "return_tensors": "pt", "padding": True, "padding_side": "left"}
    generation: Any = model

    def write(prompts: Sequence[str], number: int) -> list[str]:
        answers: list[str] = []
        with progress("writing phrasings", total=len(prompts), unit="phrasings") as bar:
            for start in range(0, len(prompts), _BATCH):
                part = prompts[start : start + _BATCH]
                chats = [[{"role": "user", "content": prompt}] for prompt in part]
                texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
                read = tokenizer(texts, **padded)
                torch.manual_seed(derive_seed(seed, "writing", number, start))
                with torch.inference_mode():
                    written = generation.generate(
                        **read,
                        do_sample=True,
                        temperature=temperature,
                        top_p=top_p,
                        max_new_tokens=max_tokens,
                        eos_token_id=end,
                        pad_token_id=tokenizer.pad_token_id,
                    )
                fresh = written[:, read["input_ids"].shape[1] :]
                answers += tokenizer.batch_decode(fresh, skip_special_tokens=True)
                bar.advance(len(part))
        return answers

    return write
