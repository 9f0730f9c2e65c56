"""``encoder compare``: a run against its baseline, with gates."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.options import Common, common_options, json_option, pipeline, say_json
from encoder.errors import ExitCode, MachineError, UsageError

_FILE = click.Path(path_type=Path)


@click.command("compare")
@click.argument("baseline", type=_FILE)
@click.argument("candidate", type=_FILE)
@click.option(
    "--gates", type=_FILE, metavar="FILE", help="A YAML file of gates, instead of the usual ones."
)
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the verdict as JUnit XML.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Write it as Markdown.")
@click.option(
    "--pictures",
    type=_FILE,
    metavar="FOLDER",
    help="Draw the frames that failed there: baseline, candidate and difference; of packages only.",
)
@json_option
@common_options
def command(
    baseline: Path,
    candidate: Path,
    gates: Path | None,
    junit: Path | None,
    markdown: Path | None,
    pictures: Path | None,
    as_json: bool,
    common: Common,
) -> int:
    """Compare CANDIDATE with BASELINE: packages, their report.json, folders of packages, or a file
    of `encoder baseline save`.

    Exit status 1 when a gate failed.

    \b
    encoder compare before/ after/
    encoder compare baseline.json after/ --gates gates.yaml --junit junit.xml
    """
    from encoder.engine.regression import draw_evidence, frame_finder, read_gates, read_runs
    from encoder.report.regression import (
        junit_text,
        markdown_text,
        plain_text,
        regression_document,
    )
    from encoder.score.gates import DEFAULT_GATES, compare_clips

    asked = DEFAULT_GATES if gates is None else read_gates(gates)
    ours, theirs = read_runs(baseline), read_runs(candidate)
    packages = all((side / "report.json").is_file() for side in (baseline, candidate))
    if pictures is not None and not packages:
        raise UsageError("Pictures can be drawn of two packages only", where=str(pictures))
    if packages:
        reports = compare_clips(ours, theirs, asked, frame_finder(baseline, candidate))
    else:
        reports = compare_clips(ours, theirs, asked)
    shown: list[tuple[str, int, str]] = []
    if pictures is not None:
        with pipeline(common) as steps:
            made = draw_evidence(steps, baseline, candidate, reports[0], pictures)
        shown = [(rung, frame, str(path)) for rung, frame, path in made]
    for path, content in (
        (junit, junit_text(reports)),
        (markdown, markdown_text(reports, shown)),
    ):
        if path is not None:
            write_text(path, content)
    if as_json:
        say_json(regression_document(reports, shown))
    else:
        click.echo(plain_text(reports), nl=False)
        for _, _, picture in shown:
            click.echo(f"  picture: {picture}")
    return ExitCode.OK if all(report.passed for report in reports) else ExitCode.VERDICT


def write_text(path: Path, content: str) -> None:
    """Writes a report's text.

    Raises:
        MachineError: when it cannot be written.
    """
    try:
        path.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise MachineError(
            "The comparison cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            hint="Choose a folder that exists and can be written to",
        ) from error
