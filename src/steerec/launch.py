"""What `steerec run NAME` does for each kind of name: a recipe, a suite of recipes, or a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from steerec.artifacts import adopt_stages
from steerec.config import override
from steerec.errors import ConfigError
from steerec.evaluate.looks import carry_looks
from steerec.evaluate.table import render
from steerec.recipes.catalogue import STUDIES, SUITES, load_any
from steerec.run import load_split, prepare_data, run
from steerec.suite import run_suite


def launch(name: str, settings: Sequence[str], folder: Path, base: Path | None) -> RenderableType:
    """Run what a name stands for and return what is to be shown: validation only.

    Args:
        name: of the catalogue.
        settings: `a.b=value` each.
        folder: where the run lives.
        base: folder of a run whose finished stages are taken over where they fit; recipes only.

    Raises:
        ConfigError: there is no such name, a setting does not fit, or `base` is given with no recipe.
    """
    config = override(load_any(name), settings)
    if name in STUDIES:
        from steerec.recipes.sequential_actions import run_study

        _refuse(base)
        prepare_data(config.data, folder)
        return Text(run_study(config, load_split(folder), folder))
    if name in SUITES:
        _refuse(base)
        report = run_suite(config, folder)
    else:
        if base is not None:
            adopt_stages(base, folder)
            carry_looks(base, folder)
        report = run(config, folder)
    more = f"\nTest numbers: [bold]steerec eval {folder} --test[/bold] (each look is counted)."
    return Group(render(report), Text.from_markup(more))


def _refuse(base: Path | None) -> None:
    if base is not None:
        raise ConfigError("Only a recipe takes over the stages of another run. Leave --from out.")
