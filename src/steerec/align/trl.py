"""TRL behind one door: its trainers on our token ids, pairs and rollouts, as an interchangeable backend.

The only module that imports TRL (extra `train`), when a function is called and not before. Nothing is
tokenised anew, and options whose default means something else are set to our meaning, so that on the same
batch TRL's loss equals that of `sft`, `preferring` and `rl` (tested). Optimiser settings carry over by name;
what TRL cannot do is refused. What stays different, because TRL offers no option:

- A warm-up starts from a learning rate of 0, ours one step later.
- A list has one advantage: the rewards of its entries are summed. Scaled advantages are divided by the
  sample standard deviation plus 1e-4, ours by that of the group itself: theirs are smaller by
  `sqrt((S - 1) / S)`.
- Probabilities are over the whole vocabulary. For free lists that is the policy; for constrained ones it is
  not (see `policy.say`), and the gradient is that of another policy than the one that sampled.
- Groups whose lists are all worth the same count, as with `drop_silent_groups=False`.
- TRL scores tokens by the output matrix alone, so that a copy head would silently stay untrained.

Legend: P prompts of a step, S samples of each, B = P * S lists.
"""

from __future__ import annotations

import copy
import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from steerec.align.examples import encode_rows
from steerec.align.objectives import Objective
from steerec.align.preferring import Group, PreferenceConfig
from steerec.align.rewards.judge import Judge
from steerec.align.rl_batches import STAGE
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, roll_constrained, roll_free
from steerec.align.sft import SftConfig
from steerec.errors import ConfigError
from steerec.llm.copy_llama import CopyLlama
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from steerec.seeding import derive_seed

_SPARE_LINES = 2
"""Lines beyond the requested ones that TRL may generate, as in `decode.free`."""
_IGNORED = -100
"""Label of a token without loss, in transformers."""
_SCHEDULES = {"constant": "constant_with_warmup", "quadratic": "polynomial"}
"""Schedules that transformers calls otherwise."""
_LOSS_TYPES = {"token": "dapo", "sequence": "grpo", "constant": "dr_grpo"}


def trl_sft(
    lm: LanguageModel,
    rows: pl.DataFrame,
    config: SftConfig,
    folder: Path,
    *,
    rows_per_batch: int,
    **options: Any,
) -> Any:
    """Return TRL's `SFTTrainer` on our rows; its `train()` does what `sft.fine_tune` does.

    Args:
        lm: trained in place.
        rows: instruction rows, see `examples.encode_rows`.
        config: settings; batches count rows instead of tokens.
        folder: of the trainer's checkpoints.
        rows_per_batch: rows of a micro-batch.
        options: further fields of `trl.SFTConfig`.

    Raises:
        ConfigError: TRL is not installed, the model has a copy head, or a setting has no counterpart.
    """
    trl = _load(lm)
    _refuse(
        history_loss_weight=config.history_loss_weight != 0,
        beginnings_share=config.beginnings_share != 0,
        embedding_dropout=config.embedding_dropout != 0,
        residual_dropout=config.residual_dropout != 0,
        distillation=config.distillation is not None,
        lora=config.lora is not None,
        tasks=config.tasks is not None,
    )
    common = _arguments(lm, config.training, folder) | {"max_length": None}
    arguments = trl.SFTConfig(**(common | {"per_device_train_batch_size": rows_per_batch} | options))
    return _quiet(
        trl.SFTTrainer(
            model=lm.model,
            args=arguments,
            train_dataset=row_dataset(lm, rows, max_tokens=config.pack_length),
            processing_class=lm.tokenizer,
        )
    )


def row_dataset(lm: LanguageModel, rows: pl.DataFrame, *, max_tokens: int) -> Any:
    """Return instruction rows as a data set of `input_ids` and `labels`, which TRL takes as they are.

    Args:
        lm: spelling and prompt layout.
        rows: see `examples.encode_rows`, which also says what is left out.
        max_tokens: longest row.
    """
    encoded = encode_rows(lm, rows, max_tokens=max_tokens)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for row, answer in enumerate(encoded.answer.tolist()):
        tokens = encoded.tokens[encoded.starts[row] : encoded.starts[row + 1]].tolist()
        columns["input_ids"].append(tokens)
        columns["labels"].append([_IGNORED] * answer + tokens[answer:])
    return _dataset(columns)


def trl_dpo(
    lm: LanguageModel, groups: Sequence[Group], config: PreferenceConfig, folder: Path, **options: Any
) -> Any:
    """Return TRL's `DPOTrainer` on our pairs; its `train()` does what `preferring.prefer` does with them.

    Args:
        lm: trained in place; a frozen copy of it is the reference.
        groups: lists of one prompt each, see `preferring.sample_groups`; the first is preferred to the last.
        config: settings; `loss` must be "dpo", and the lists free.
        folder: of the trainer's checkpoints.
        options: further fields of `trl.DPOConfig`.

    Raises:
        ConfigError: TRL is not installed, the model has a copy head, or a setting has no counterpart.
    """
    trl = _load(lm)
    # Lists under requests have probabilities over what was allowed, TRL's are over the whole vocabulary.
    _refuse(loss=config.loss != "dpo", temperature=config.temperature != 1, free=not config.free)

    class TokenDPOTrainer(trl.DPOTrainer):  # type: ignore[misc,name-defined]
        """DPO on token ids: TRL 1.16 tokenises every data set of pairs, and this is its only door."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    common = _arguments(lm, config.training, folder) | {"max_length": None, "beta": config.beta}
    arguments = trl.DPOConfig(
        **(common | {"per_device_train_batch_size": config.prompts_per_batch} | options)
    )
    return _quiet(
        TokenDPOTrainer(
            model=lm.model,
            ref_model=copy.deepcopy(lm.model).eval().requires_grad_(False),
            args=arguments,
            train_dataset=pair_dataset(groups),
            processing_class=lm.tokenizer,
        )
    )


def pair_dataset(groups: Sequence[Group]) -> Any:
    """Return the best and the worst list of each prompt as `prompt_ids`, `chosen_ids` and `rejected_ids`."""
    return _dataset(
        {
            "prompt_ids": [list(group.ask.tokens) for group in groups],
            "chosen_ids": [list(group.lists[0].tokens) for group in groups],
            "rejected_ids": [list(group.lists[-1].tokens) for group in groups],
        }
    )


def trl_grpo(
    lm: LanguageModel,
    asks: Sequence[Ask],
    config: RlConfig,
    folder: Path,
    *,
    free: Judge,
    constrained: Judge,
    generate: bool = False,
    **options: Any,
) -> Any:
    """Return TRL's `GRPOTrainer` on our rollouts; its `train()` does what `rl.reinforce` does.

    Args:
        lm: samples, and is trained in place.
        asks: what is asked, at least as many as prompts of a step.
        config: settings.
        folder: of the trainer's checkpoints.
        free: judges free lists.
        constrained: judges lists that satisfy their requests.
        generate: let TRL sample by itself, with transformers' `generate`; all lists are free then.
        options: further fields of `trl.GRPOConfig`.

    Raises:
        ConfigError: TRL is not installed, the model has a copy head, a setting has no counterpart, there are
            too few asks, or a prompt that TRL is to read as text would become other tokens.
    """
    trl = _load(lm)
    _refuse(
        advantage=config.advantage != "grouped",
        all_actions=config.all_actions is not None,
        unique=config.unique,
        critic=config.critic is not None,
        free_share=generate and config.free_share != 1,
    )
    if len(asks) < config.prompts_per_step:
        raise ConfigError(
            f"TRL wants as many prompts as a step has, {config.prompts_per_step}, and got {len(asks)}. "
            "Lower prompts_per_step."
        )
    prompts = [_text(lm, ask.tokens) for ask in asks] if generate else [str(k) for k in range(len(asks))]
    common = _arguments(lm, config.training, folder) | _grpo_arguments(lm, asks, config)
    if generate:
        rollout, reward = None, _reward_of_tokens(lm, asks, free, config.samples)
    else:
        rollout, reward = rollout_function(lm, asks, config, free=free, constrained=constrained), _reward
    with _reference(lm) if config.objective.kl_weight else nullcontext():
        trainer = trl.GRPOTrainer(
            model=lm.model,
            reward_funcs=reward,
            args=trl.GRPOConfig(**(common | options)),
            train_dataset=_dataset({"prompt": prompts, "ask": list(range(len(asks)))}),
            processing_class=lm.tokenizer,
            rollout_func=rollout,
        )
    return _quiet(trainer)


def rollout_function(
    lm: LanguageModel, asks: Sequence[Ask], config: RlConfig, *, free: Judge, constrained: Judge
) -> Callable[[list[str], Any], dict[str, Any]]:
    """Return a `rollout_func` that samples as `rl.RlBatches` does, and judges in the same go.

    Its B prompts are numbers of asks, each `config.samples` times in a row. It adds the columns `env_mask` (1
    for the tokens that were a choice: TRL leaves the others out of the loss) and `worth`.
    """

    def roll(prompts: list[str], trainer: Any) -> dict[str, Any]:
        chosen = [asks[int(prompt)] for prompt in prompts[:: config.samples]]
        split = round(config.free_share * len(chosen))
        place = (trainer.state.global_step, trainer.accelerator.process_index)
        sampling: dict[str, Any] = {
            "samples": config.samples,
            "temperature": config.temperature,
            "seed": derive_seed(config.training.seed, STAGE, *place),
        }
        was_training = lm.model.training
        lm.model.eval()
        groups = [
            *(roll_free(lm, chosen[:split], **sampling) if split else []),
            *(roll_constrained(lm, chosen[split:], **sampling) if split < len(chosen) else []),
        ]
        lm.model.train(was_training)
        judged = [*free(chosen[:split], groups[:split]), *constrained(chosen[split:], groups[split:])]
        lists = [rollout for group in groups for rollout in group]
        return {
            "prompt_ids": [list(ask.tokens) for ask in chosen for _ in range(config.samples)],
            "completion_ids": [list(rollout.tokens) for rollout in lists],
            "logprobs": None,  # TRL reads them with vLLM only
            "env_mask": [np.isin(np.arange(len(r.tokens)), r.decided).astype(int).tolist() for r in lists],
            "worth": [one.total for group in judged for one in group],
        }

    return roll


def _reward(worth: list[float], **_: Any) -> list[float]:
    """Return what the lists were found to be worth when they were sampled."""
    return worth


def _reward_of_tokens(
    lm: LanguageModel, asks: Sequence[Ask], judge: Judge, samples: int
) -> Callable[..., list[float]]:
    """Return a reward function that reads TRL's own samples back, group by group."""

    def reward(completion_ids: list[list[int]], ask: list[int], **_: Any) -> list[float]:
        lists = [_read(lm, tokens) for tokens in completion_ids]
        groups = [lists[start : start + samples] for start in range(0, len(lists), samples)]
        judged = judge([asks[k] for k in ask[::samples]], groups)
        return [one.total for group in judged for one in group]

    return reward


def _read(lm: LanguageModel, tokens: Sequence[int]) -> Rollout:
    body = list(tokens[:-1] if tokens[-1] == lm.end_id else tokens)
    decode = lm.tokenizer.decode
    return Rollout(
        items=tuple(lm.identifier.parse(body, decode)),
        tokens=tuple(tokens),
        ends=np.array(lm.identifier.ends(body, decode), np.int64),
        decided=np.arange(len(tokens)),
        allowed=None,
    )


def _text(lm: LanguageModel, tokens: Sequence[int]) -> str:
    """Return a prompt as text that TRL reads as the same tokens."""
    text: str = lm.tokenizer.decode(tokens)
    tokenizer: Any = lm.tokenizer
    if tokenizer(text)["input_ids"] != list(tokens):
        raise ConfigError(
            f"TRL reads prompts as text when it samples by itself, and {text!r} would become other tokens. "
            "Leave generate at False."
        )
    return text


def _grpo_arguments(lm: LanguageModel, asks: Sequence[Ask], config: RlConfig) -> dict[str, Any]:
    objective: Objective = config.objective
    longest = max(lm.answer_length(ask.problem.count + _SPARE_LINES) for ask in asks)
    lists = config.prompts_per_step * config.samples
    return {
        "per_device_train_batch_size": lists // config.training.gradient_accumulation_steps,
        "num_generations": config.samples,
        "num_iterations": config.updates_per_rollout,
        "temperature": config.temperature,
        "max_completion_length": objective.constant_length or longest,
        "loss_type": _LOSS_TYPES[objective.aggregation],
        "epsilon": 1.0 if objective.clip_low is None else objective.clip_low,  # a ratio never falls below 0
        "epsilon_high": float("inf") if objective.clip_high is None else objective.clip_high,
        "beta": objective.kl_weight,
        "use_bias_correction_kl": False,
        "scale_rewards": "group" if config.scale_advantages else "none",
    }


def _arguments(lm: LanguageModel, training: TrainingConfig, folder: Path) -> dict[str, Any]:
    """Return our optimiser settings as fields of transformers' `TrainingArguments`."""
    stops = ("eval_steps", "patience", "max_minutes")
    _refuse(**{name: getattr(training, name) is not None for name in stops}, optim=training.optim != "adamw")
    same = (
        *("max_steps", "learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"),
        *("max_grad_norm", "gradient_accumulation_steps", "bf16", "logging_steps", "seed"),
    )
    quadratic = training.lr_scheduler_type == "quadratic"
    saving = {"save_strategy": "no"} if training.save_steps is None else {"save_steps": training.save_steps}
    return {
        **{name: getattr(training, name) for name in same},
        **saving,
        "lr_scheduler_type": _SCHEDULES.get(training.lr_scheduler_type, training.lr_scheduler_type),
        "lr_scheduler_kwargs": {"power": 2.0, "lr_end": 0.0} if quadratic else None,
        "warmup_steps": round(training.warmup_ratio * training.max_steps),
        "output_dir": str(folder),
        "use_cpu": next(lm.model.parameters()).device.type == "cpu",
        "dataloader_pin_memory": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def _load(lm: LanguageModel) -> Any:
    """Import TRL, and check that it can train the model."""
    try:
        trl, hub = importlib.import_module("trl"), importlib.import_module("huggingface_hub.constants")
        importlib.import_module("datasets")
    except ImportError:
        raise ConfigError(
            'TRL is not installed: pip install "steerec[train]", or train with steerec\'s own loop.'
        ) from None
    if isinstance(lm.model, CopyLlama):
        raise ConfigError(
            "TRL scores tokens by the output matrix alone and would leave the copy head untrained. Build the "
            "model with copy_dim=0, or train with steerec's own loop."
        )
    # TRL reports every trainer that is made; steerec reports nothing.
    vars(hub)["HF_HUB_DISABLE_TELEMETRY"] = True
    return trl


def _refuse(**asked: bool) -> None:
    names = [name for name, is_asked in asked.items() if is_asked]
    if names:
        raise ConfigError(
            f"TRL cannot do what this says: {', '.join(names)}. Change it, or train with steerec's own loop."
        )


def _dataset(columns: dict[str, list[Any]]) -> Any:
    return importlib.import_module("datasets").Dataset.from_dict(columns)


def _quiet(trainer: Any) -> Any:
    """Take away the callback that prints every line of the log; `trainer.state.log_history` keeps them."""
    trainer.remove_callback(importlib.import_module("transformers").PrinterCallback)
    return trainer


@contextmanager
def _reference(lm: LanguageModel) -> Iterator[None]:
    """Let TRL find the model on disk: its reference is read from where the model says it came from."""
    config: Any = lm.model.config
    before = config._name_or_path
    with tempfile.TemporaryDirectory() as saved:
        lm.model.save_pretrained(saved)
        config._name_or_path = saved
        try:
            yield
        finally:
            config._name_or_path = before
