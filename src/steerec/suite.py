"""A suite: several runs on the same data, one table, and results that are never computed twice.

A member's report is kept as JSON under the hash of the split and of the member's configuration. Another run
of the suite takes it from there, trained models or not; what changed is run again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from steerec.artifacts import adopt_stages, read_json, write_json
from steerec.config import fingerprint
from steerec.errors import SteerecError
from steerec.evaluate.report import Report, Row
from steerec.evaluate.session import Part
from steerec.run import evaluate, prepare_data, run
from steerec.run_config import RunConfig, SuiteConfig

logger = logging.getLogger("steerec")
FILE = "suite.json"
_DATA, _SHELF = "data-only", "fitted"


def run_suite(config: SuiteConfig, folder: Path, part: Part = "valid") -> Report:
    """Run every member whose result is not known yet, and put all into one report.

    Args:
        config: the members.
        folder: receives a run per member, and the recommenders that they share.
        part: "valid", or "test", where every member that is evaluated counts a look.

    Returns:
        One row per recommender, also at `folder/report.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, config)
    data = prepare_data(config.data, folder / _DATA)
    split_hash = read_json(data.folder / "split.json")["hash"]
    found = {
        name: _report(name, member.replace(data=config.data), config, folder, split_hash, part)
        for name, member in config.members.items()
    }
    reports = {name: report for name, report in found.items() if report is not None}
    report = merge(reports, config)
    report.save(folder / "report.json")
    return report


def evaluate_suite(folder: Path, part: Part) -> Report:
    """Return the table of a suite that was run, on validation or test.

    Raises:
        SteerecError: the folder holds no suite.
    """
    if not (folder / FILE).is_file():
        raise SteerecError(f"{folder} holds no suite (no {FILE}). Run one: `steerec run all-sequential`.")
    return run_suite(SuiteConfig.model_validate(read_json(folder / FILE)), folder, part)


def _report(
    name: str, member: RunConfig, config: SuiteConfig, folder: Path, split_hash: str, part: Part
) -> Report | None:
    """Return a member's report, from its file where that fits; None where it is not known nor wanted now."""
    path = config.results / config.suite / f"{config.data.name}-{split_hash[:12]}" / f"{name}.json"
    # What is switched off does not count: a setting that is added later changes no result known before.
    settings = member.model_dump(mode="json", exclude={"paper", "recipe", "data"}, exclude_none=True)
    key = fingerprint([split_hash, settings])
    known = read_json(path) if path.is_file() else {}
    reports = known["reports"] if known.get("key") == key else {}
    if part in reports:
        report = Report.model_validate(reports[part])
        logger.info("%s: known since %s, commit %s", name, report.facts.date, report.facts.commit)
        return report
    if config.only and name not in config.only:
        logger.info("%s: not run", name)
        return None
    place = folder / name
    if not place.exists():
        adopt_stages(folder / _DATA, place)
    report = _as_of(config, run(member, place, folder / _SHELF))
    reports = reports | {"valid": report.model_dump(mode="json", by_alias=True)}
    if part == "test":
        report = _as_of(config, evaluate(place, "test"))
        reports = reports | {"test": report.model_dump(mode="json", by_alias=True)}
    write_json(path, {"schema": 1, "member": name, "key": key, "reports": reports})
    return report


def _as_of(config: SuiteConfig, report: Report) -> Report:
    """Return a report that names the suite's command, not one with the place of a folder in it."""
    return report.model_copy(update={"facts": report.facts.replace(command=f"steerec run {config.suite}")})


def merge(reports: dict[str, Report], config: SuiteConfig) -> Report:
    """Return one report of all members: of each the rows that it was run for, a row of one name once.

    Args:
        reports: by member.
        config: the suite.
    """
    rows: dict[str, Row] = {}
    for name, report in reports.items():
        panel = config.members[name].panel
        wanted = [*panel.rows, "teacher"] if panel.ensemble is not None else panel.rows
        for row in wanted:
            rows.setdefault(row, report.row(row))
    if not reports:
        raise SteerecError("None of the suite's results is known. Leave `only` out, or run these first.")
    first = next(iter(reports.values()))
    facts = first.facts.replace(command=f"steerec run {config.suite}")
    return Report(schema_=1, facts=facts, rows=tuple(rows.values()))
