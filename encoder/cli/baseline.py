"""``encoder baseline``: what a folder of clips measured, kept to compare with."""

from __future__ import annotations

import os
from pathlib import Path

import click

from encoder.cli.comparison_output import Output, compare_and_say, exit_code, output_options
from encoder.cli.options import Common, any_path, common_options, json_option
from encoder.errors import UsageError

_file_option = click.option(
    "--file",
    "path",
    type=any_path,
    default=Path("baseline.json"),
    show_default=True,
    help="The baseline file.",
)


@click.group("baseline")
def command() -> None:
    """Keep what a folder of packages measured, and check later runs against it."""


@command.command("save")
@click.argument("packages", type=any_path)
@_file_option
def save(packages: Path, path: Path) -> None:
    """Write a new baseline of PACKAGES, a package or a folder of them."""
    from encoder.engine.regression import measures, read_runs, save_baseline

    if os.path.exists(path):  # of a name that is too long as well, where a Path would raise
        raise UsageError(
            "There is a baseline already",
            where=str(path),
            hint="Replace it with `encoder baseline update`",
        )
    runs = measures(read_runs(packages))
    save_baseline(runs, path)
    click.echo(f"{path}: {len(runs)} clips")


@command.command("check")
@click.argument("packages", type=any_path)
@_file_option
@output_options
@json_option
@common_options
def check(packages: Path, path: Path, output: Output, as_json: bool, common: Common) -> int:
    """Compare PACKAGES with the baseline, clip by clip.

    Exit status 1 when a gate failed. Where encoder, FFmpeg, model or policy are others than those
    of the baseline, that is said: such a difference is no regression by itself.
    """
    return exit_code(compare_and_say(path, packages, output, common, as_json=as_json))


@command.command("update")
@click.argument("packages", type=any_path)
@_file_option
def update(packages: Path, path: Path) -> None:
    """Replace the clips of PACKAGES in the baseline; others stay as they are."""
    from encoder.engine.regression import measures, read_runs, save_baseline

    kept = {run.clip: run for run in measures(read_runs(path))} if os.path.exists(path) else {}
    new = {run.clip: run for run in measures(read_runs(packages))}
    save_baseline(list({**kept, **new}.values()), path)
    click.echo(f"{path}: {len(new)} clips updated, {len(kept.keys() - new.keys())} kept")
