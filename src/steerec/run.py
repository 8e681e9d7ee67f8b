"""READ FIRST: the pipeline as plain calls, one per stage; `run_config` says what they are configured by.

Every stage has a folder and a manifest in the run's folder. A finished stage is skipped while nothing it
depends on has changed; a killed one goes on where it stopped. `run` looks at validation only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from steerec.align.dispatch import Present, align
from steerec.align.distillation import Teaching
from steerec.align.sft import fine_tune
from steerec.artifacts import MANIFEST, StageResult, content_sha256, file_sha256, read_json, write_json
from steerec.data.source import SOURCES, load_source
from steerec.data.split import Split, make_split
from steerec.decode.validation import PlainValidation
from steerec.decode.weight import choose_weights
from steerec.errors import SteerecError
from steerec.evaluate.contest import Contest, pool_labels
from steerec.evaluate.control import FreeValidation, load_cases
from steerec.evaluate.looks import carry_looks, count_look
from steerec.evaluate.plots import draw_run
from steerec.evaluate.published import published_markdown
from steerec.evaluate.report import Report
from steerec.evaluate.session import Contestants, Session
from steerec.evaluate.table import markdown
from steerec.instruct.evaluation_requests import RequestsConfig, build_requests, write_requests
from steerec.instruct.item_starts import item_starts
from steerec.instruct.rows import build_rows
from steerec.items.vectors import installed_embedder
from steerec.llm.build import build_language_model
from steerec.llm.language_model import LanguageModel
from steerec.llm.tiny import TinyConfig
from steerec.llm.writing import grown_phrases
from steerec.recommend.crossfit import CrossFit, check_memorisation
from steerec.recommend.panel import Panel, fit_panel, load_panel
from steerec.run_config import DataConfig, RunConfig
from steerec.serve.engine import READER_STAGE, SERVING
from steerec.stages import do_stage
from steerec.understand.keyword import KeywordReader
from steerec.understand.model.phrasebook import phrasebook_sha256
from steerec.understand.model.training import train_reader

logger = logging.getLogger("steerec")

Part = Literal["valid", "test"]
VALUES = "values.parquet"  # what each point and request gave, in the evaluation's folder
_CROSSFIT = "crossfit"


def run(config: RunConfig, folder: Path, shelf: Path | None = None) -> Report:
    """Run the pipeline, reusing what is there, and evaluate on validation.

    Args:
        config: what to run.
        folder: where the run lives; made if absent.
        shelf: folder of recommenders that other runs have fitted, see `fit_panel`; None: none.

    Returns:
        The validation report, also at `folder/report.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    data = prepare_data(config.data, folder)
    teacher = train_teacher(config, folder, data, shelf)
    draw_requests(config, folder, teacher)
    if config.llm is not None:
        folds = cross_fit(config, folder, teacher) if config.crossfit_folds else None
        rows = write_instructions(config, folder, teacher, folds)
        model = tune_language_model(config, folder, teacher, rows)
        if config.align is not None:
            model = align_language_model(config, folder, model, rows)
        weigh_teacher(config, folder, model)
    if config.reader is not None:
        teach_reader(config, folder, data)
    publish(config, folder)
    return evaluate(folder, "valid", command=f"steerec run {config.recipe}")


def prepare_data(data: DataConfig, folder: Path) -> StageResult:
    """Load the log, apply the k-core, split it; writes `data/` with items.parquet."""
    carry_looks(folder / "data", folder)  # where they stood before

    def build(out: Path) -> None:
        source, options = data.source, data.options
        if source not in SOURCES and Path(source).is_dir():
            source, options = "folder", {"path": source, **options}
        make_split(load_source(source, **options), data.split).save(out)

    given = [value for value in (data.source, *data.options.values()) if isinstance(value, str)]
    files = {value: content_sha256(Path(value)) for value in given if Path(value).exists()}
    return do_stage(folder, "data", {"data": data, "files": files}, build)


def train_teacher(config: RunConfig, folder: Path, data: StageResult, shelf: Path | None) -> StageResult:
    """Fit the conventional recommenders; the best one or ensemble on validation is the teacher."""

    def build(out: Path) -> None:
        fit_panel(load_split(folder), config.panel, out, shelf)

    return do_stage(folder, "recommend", {"data": data.key, "panel": config.panel}, build)


def draw_requests(config: RunConfig, folder: Path, teacher: StageResult) -> StageResult:
    """Draw the fixed control requests of validation and test; every row of the table answers the same."""
    evaluation = config.evaluation

    def build(out: Path) -> None:
        split, scores = load_split(folder), _panel(folder).teacher.scores
        numbers: dict[Part, int] = {"valid": evaluation.num_valid_requests, "test": evaluation.num_requests}
        for part, number in numbers.items():
            if number:
                wanted = RequestsConfig(num_requests=number, seed=evaluation.seed)
                phrasing: Literal["unseen", "validation"] = "unseen" if part == "test" else "validation"
                frame = build_requests(split, split.points(part), scores, wanted, phrasing)
                write_requests(frame, out / f"{part}.parquet")

    inputs = {"teacher": teacher.key, "evaluation": evaluation}
    return do_stage(folder, "requests", inputs, build)


def cross_fit(config: RunConfig, folder: Path, teacher: StageResult) -> StageResult:
    """Fit the teacher once for each fold of users, on the users of the others."""

    def build(out: Path) -> None:
        CrossFit.fit(
            _panel(folder).teacher.unfitted,
            load_split(folder),
            num_folds=config.crossfit_folds,
            seed=config.seed,
            folder=out,
        )

    inputs = {"teacher": teacher.key, "folds": config.crossfit_folds, "seed": config.seed}
    return do_stage(folder, _CROSSFIT, inputs, build)


def write_instructions(
    config: RunConfig, folder: Path, teacher: StageResult, folds: StageResult | None
) -> StageResult:
    """Write instruction rows: prompts, and answers that the teacher ranks and the request rules."""
    assert config.instruct is not None
    mixture = config.instruct

    def build(out: Path) -> None:
        split, panel = load_split(folder), _panel(folder)
        crossfit = _crossfit(folder, split) if folds else None
        memory = check_memorisation(crossfit or panel.teacher, split)
        phrases = grown_phrases(mixture.self_instruct, out)
        parts: tuple[Literal["train", "valid"], ...] = ("train", "valid")
        for part in parts:
            build_rows(
                split,
                panel.teacher.scores,
                mixture,
                out,
                part=part,
                teacher=panel.teacher_folder,
                crossfit_scores=None if crossfit is None else crossfit.scores,
                memorisation={"train": memory.train, "valid": memory.valid},
                phrases=phrases,
            )

    labels = folds.key if folds else None
    inputs = {"teacher": teacher.key, "crossfit": labels, "instruct": mixture}
    return do_stage(folder, "instruct", inputs, build)


def _teaching(config: RunConfig, folder: Path, split: Split, panel: Panel) -> Teaching:
    """Return who labelled the training rows: the teacher, or the cross-fitted ones."""
    if config.crossfit_folds:
        return Teaching(_crossfit(folder, split).scores, split.catalog)
    return Teaching(lambda histories, users: panel.teacher.scores(histories), split.catalog)


def tune_language_model(
    config: RunConfig, folder: Path, teacher: StageResult, rows: StageResult
) -> StageResult:
    """Build or load the language model and fine-tune it on the rows."""
    assert config.llm is not None
    assert config.sft is not None
    llm, sft = config.llm, config.sft

    def build(out: Path) -> None:
        split, panel = load_split(folder), _panel(folder)
        words = pl.read_parquet(rows.folder / "train.parquet", columns=["instruction"])["instruction"]
        vectors = item_starts(panel, split, folder)
        lm = build_language_model(llm, split.catalog, phrasings=words.to_list(), item_vectors=vectors)
        validation = PlainValidation(
            split, num_points=config.validation_points, beam=config.decode.beam, seed=config.seed
        )
        tuned, _ = fine_tune(
            lm,
            pl.read_parquet(rows.folder / "train.parquet"),
            sft,
            out,
            teacher=_teaching(config, folder, split, panel),
            evaluate=validation,
            sample=validation.samples,
        )
        tuned.save_pretrained(out / "model")

    inputs = {"rows": rows.key, "llm": llm, "sft": sft, "seed": config.seed}
    return do_stage(folder, "sft", inputs, build)


def align_language_model(
    config: RunConfig, folder: Path, model: StageResult, rows: StageResult
) -> StageResult:
    """Go on from the fine-tuned model: better lists become likelier, judged by rewards."""
    assert config.align is not None
    settings = config.align

    def build(out: Path) -> None:
        split = load_split(folder)
        lm = LanguageModel.from_pretrained(model.folder / "model")
        table = pl.read_parquet(rows.folder / "train.parquet")
        panel = _panel(folder)
        teaching = _teaching(config, folder, split, panel)
        plain = PlainValidation(
            split, num_points=config.validation_points, beam=config.decode.beam, seed=config.seed
        )
        free = FreeValidation(load_cases(folder / "requests" / "valid.parquet", split, "valid"))
        options: dict[str, Any] = {
            "evaluate": lambda trained: plain(trained) | free(trained),
            "sample": plain.samples,
        }
        present = Present(split.train, lambda histories, _: panel.teacher.scores(histories))
        tuned = align(lm, table, settings, out, teaching=teaching, present=present, **options)
        tuned.save_pretrained(out / "model")

    # Validation chooses the weights that are kept.
    cases = folder / "requests" / "valid.parquet"
    asked = file_sha256(cases) if cases.is_file() else None
    validation = {"points": config.validation_points, "beam": config.decode.beam, "requests": asked}
    inputs = {"model": model.key, "rows": rows.key, "align": settings, "seed": config.seed, **validation}
    return do_stage(folder, "align", inputs, build)


def weigh_teacher(config: RunConfig, folder: Path, model: StageResult) -> StageResult:
    """Choose on validation what decoding listens to: the first place, the teacher."""

    def build(out: Path) -> None:
        split = load_split(folder)
        lm = LanguageModel.from_pretrained(model.folder / "model")
        weights = choose_weights(lm, split, _panel(folder).teacher, config.decode, config.seed)
        write_json(out / "weights.json", weights)

    return do_stage(folder, "decode", {"model": model.key, "decode": config.decode}, build)


def teach_reader(config: RunConfig, folder: Path, data: StageResult) -> StageResult:
    """Train a model that reads requests in words, on invented catalogues and on this one."""
    inputs = {"data": data.key, "reader": config.reader, "phrasebook": phrasebook_sha256()}

    def build(out: Path) -> None:
        assert config.reader is not None
        train_reader(config.reader, [load_split(folder).catalog], out)

    return do_stage(folder, READER_STAGE, inputs, build)


def publish(config: RunConfig, folder: Path) -> None:
    """Write what `Recommender.from_pretrained` needs to know."""
    panel = read_json(folder / "recommend" / "panel.json")
    weights = read_json(folder / "decode" / "weights.json") if config.llm is not None else None
    lm = "sft/model" if config.align is None else "align/model"
    record = {
        "schema": 1,
        "teacher": f"recommend/{panel['teacher']}",
        "language_model": None if config.llm is None else lm,
        "weight": weights["weight"] if weights else 0.0,
        "first_place": weights["first_place"] if weights else 0.0,
        "beam": config.decode.beam,
        "reader": config.reader is not None,
    }
    write_json(folder / SERVING, record)


def evaluate(folder: Path, part: Part, *, command: str | None = None) -> Report:
    """Evaluate a finished run on validation or test; a look at test is counted, a repeated one reused.

    Args:
        folder: a finished run.
        part: "valid" or "test".
        command: what to name under the table; default: the `steerec eval` command.

    Returns:
        The report, also at `folder/report.json`.

    Raises:
        SteerecError: the folder is not a finished run.
    """
    if not (folder / SERVING).is_file():
        raise SteerecError(f"{folder} is no finished run (no {SERVING}). Make one: `steerec run RECIPE`.")
    config = RunConfig.model_validate(read_json(folder / "config.json"))
    said = command or f"steerec eval {folder}" + (" --test" if part == "test" else "")

    def build(out: Path) -> None:
        _evaluate(config, folder, part, said, out)

    stages = ["data", "recommend", "requests", *(["sft", "decode"] if config.llm is not None else [])]
    stages += [] if config.align is None else ["align"]
    keys = {name: read_json(folder / name / MANIFEST)["key"] for name in stages}
    result = do_stage(folder, f"evaluate-{part}", {"stages": keys}, build)
    report = Report.load(result.folder / "report.json")
    report.save(folder / "report.json")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    if config.evaluation.published_names:
        (folder / "published.md").write_text(published_markdown(report), encoding="utf-8")
    draw_run(folder, report)
    return report


def contest(folders: Sequence[Path], part: Part) -> Contest:
    """Put finished runs into one table, each evaluated first where it was not yet.

    Args:
        folders: finished runs on one split.
        part: "valid" or "test"; every run that has not seen test yet counts a look.

    Raises:
        SteerecError: a folder is no finished run, or the runs' splits or requests differ.
    """
    for folder in folders:
        evaluate(folder, part)
    stages = [read_json(folder / "requests" / "manifest.json")["key"] for folder in folders]
    if len(set(stages)) > 1:
        raise SteerecError("These runs answered different points or requests: start one `--from` the other.")
    labels = pool_labels([read_json(folder / "config.json") for folder in folders])
    values = [pl.read_parquet(folder / f"evaluate-{part}" / VALUES) for folder in folders]
    return Contest(list(zip(labels, values, strict=True)))


def _evaluate(config: RunConfig, folder: Path, part: Part, command: str, out: Path) -> None:
    split, panel, serving = load_split(folder), _panel(folder), read_json(folder / SERVING)
    lm, earlier = None, {}
    if serving["language_model"] is not None:
        lm = LanguageModel.from_pretrained(folder / serving["language_model"])
    if config.llm is not None and not isinstance(config.llm, TinyConfig):
        earlier["lm-before"] = build_language_model(config.llm, split.catalog)
    if config.align is not None and config.evaluation.with_sft:
        earlier["lm-sft"] = LanguageModel.from_pretrained(folder / "sft" / "model")
    contestants = Contestants(
        split=split,
        rows=panel.rows,
        seeds=config.panel.seeds,
        teacher=panel.teacher,
        make_reader=lambda: KeywordReader(split.catalog, installed_embedder()),
        lm=lm,
        earlier=earlier,
        weight=serving["weight"],
        first_place=serving.get("first_place", 0.0),
        beam=serving["beam"],
        seconds=panel.seconds,
    )
    looks = count_look(folder, split.hash, config.recipe) if part == "test" else 0
    requests = folder / "requests" / f"{part}.parquet"
    cases = load_cases(requests, split, part) if requests.is_file() else []
    session = Session(contestants, part, cases, config.evaluation)
    session.evaluate()
    curve = read_json(folder / "decode" / "weights.json")["curve"] if lm is not None else []
    report = session.report(looks=looks, command=command, weight_curve=curve, dataset=config.data.name)
    session.values.save(out / VALUES)
    report.save(out / "report.json")


def load_split(folder: Path) -> Split:
    """Return the split of a run."""
    return Split.load(folder / "data")


def _panel(folder: Path) -> Panel:
    return load_panel(folder / "recommend", load_split(folder).catalog)


def _crossfit(folder: Path, split: Split) -> CrossFit:
    return CrossFit.from_pretrained(folder / _CROSSFIT, split.catalog)
