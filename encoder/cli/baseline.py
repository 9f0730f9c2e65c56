"""``encoder baseline``: what a folder of clips measured, kept to compare with."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.compare import write_text
from encoder.cli.options import json_option, say_json
from encoder.errors import ExitCode, UsageError

_FILE = click.Path(path_type=Path)
_file_option = click.option(
    "--file",
    "path",
    type=_FILE,
    default=Path("baseline.json"),
    show_default=True,
    help="The baseline file.",
)


@click.group("baseline")
def command() -> None:
    """Keep what a folder of packages measured, and check later runs against it."""


@command.command("save")
@click.argument("packages", type=_FILE)
@_file_option
def save(packages: Path, path: Path) -> None:
    """Write a new baseline of PACKAGES, a package or a folder of them."""
    from encoder.engine.regression import read_runs, save_baseline

    if path.exists():
        raise UsageError(
            "There is a baseline already",
            where=str(path),
            hint="Replace it with `encoder baseline update`",
        )
    runs = read_runs(packages)
    save_baseline(runs, path)
    click.echo(f"{path}: {len(runs)} clips")


@command.command("check")
@click.argument("packages", type=_FILE)
@_file_option
@click.option("--gates", type=_FILE, metavar="FILE", help="A YAML file of gates.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the verdict as JUnit XML.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Write it as Markdown.")
@json_option
def check(
    packages: Path,
    path: Path,
    gates: Path | None,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> int:
    """Compare PACKAGES with the baseline, clip by clip.

    Exit status 1 when a gate failed. Where encoder, FFmpeg, model or policy are others than those
    of the baseline, that is said: such a difference is no regression by itself.
    """
    from encoder.engine.regression import read_gates, read_runs
    from encoder.report.regression import (
        junit_text,
        markdown_text,
        plain_text,
        regression_document,
    )
    from encoder.score.gates import DEFAULT_GATES, compare_clips

    asked = DEFAULT_GATES if gates is None else read_gates(gates)
    reports = compare_clips(read_runs(path), read_runs(packages), asked)
    if junit is not None:
        write_text(junit, junit_text(reports))
    if markdown is not None:
        write_text(markdown, markdown_text(reports))
    if as_json:
        say_json(regression_document(reports))
    else:
        click.echo(plain_text(reports), nl=False)
    failed = [report for report in reports if not report.passed]
    if failed and not as_json and all(report.conditions for report in failed):
        click.echo(
            "All that failed was measured under other conditions than the baseline: if the change "
            "of conditions is meant, look at it and run `encoder baseline update`.",
            err=True,
        )
    return ExitCode.VERDICT if failed else ExitCode.OK


@command.command("update")
@click.argument("packages", type=_FILE)
@_file_option
def update(packages: Path, path: Path) -> None:
    """Replace the clips of PACKAGES in the baseline; others stay as they are."""
    from encoder.engine.regression import read_runs, save_baseline

    kept = {run.clip: run for run in read_runs(path)} if path.exists() else {}
    new = {run.clip: run for run in read_runs(packages)}
    save_baseline(list({**kept, **new}.values()), path)
    click.echo(f"{path}: {len(new)} clips updated, {len(kept.keys() - new.keys())} kept")
