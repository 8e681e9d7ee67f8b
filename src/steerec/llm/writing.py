"""A language model that writes text: answers to prompts, sampled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from steerec.data.catalog import Catalog
from steerec.instruct.self_instruct import SelfInstructConfig, Write, grow_phrases, write_phrases
from steerec.llm.smollm2 import SmolLM2Config, load_smollm2
from steerec.progress import progress
from steerec.seeding import derive_seed

_BATCH = 32


def grown_phrases(config: SelfInstructConfig | None, catalog: Catalog, folder: Path) -> Path | None:
    """Return a file of grown phrasings in a folder, written first where it is not there; None without config.

    Args:
        config: how many, and how.
        catalog: of the run.
        folder: receives phrases.json.
    """
    path = folder / "phrases.json"
    if config is None:
        return None
    if not path.is_file():
        write = smollm2_writer(catalog, seed=config.seed) if config.num_phrasings else _silent
        write_phrases(grow_phrases(config, write), path)
    return path


def _silent(prompts: Sequence[str], number: int) -> list[str]:
    """Write nothing: the seeds stay alone."""
    del number
    return [""] * len(prompts)


def smollm2_writer(
    catalog: Catalog, *, max_tokens: int = 40, temperature: float = 1.0, top_p: float = 0.9, seed: int = 0
) -> Write:
    """Return SmolLM2-135M-Instruct as a writer.

    Args:
        catalog: of the run; the model is loaded over it.
        max_tokens: longest answer.
        temperature: of the sampling.
        top_p: probability mass that is sampled from.
        seed: of the sampling.

    Raises:
        SourceError: the model is not to be had.
    """
    lm = load_smollm2(catalog, SmolLM2Config())
    tokenizer: Any = lm.tokenizer

    def write(prompts: Sequence[str], number: int) -> list[str]:
        answers: list[str] = []
        with progress("writing phrasings", total=len(prompts), unit="phrasings") as bar:
            for start in range(0, len(prompts), _BATCH):
                part = prompts[start : start + _BATCH]
                chats = [[{"role": "user", "content": prompt}] for prompt in part]
                texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
                read = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
                torch.manual_seed(derive_seed(seed, "writing", number, start))
                with torch.inference_mode():
                    written = lm.model.generate(
                        **read,
                        do_sample=True,
                        temperature=temperature,
                        top_p=top_p,
                        max_new_tokens=max_tokens,
                        eos_token_id=lm.end_id,
                        pad_token_id=lm.pad_id,
                    )
                fresh = written[:, read["input_ids"].shape[1] :]
                answers += tokenizer.batch_decode(fresh, skip_special_tokens=True)
                bar.advance(len(part))
        return answers

    return write
