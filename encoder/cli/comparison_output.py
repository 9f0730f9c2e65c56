"""What ``compare`` and ``baseline check`` share: gates, and the forms a verdict is given in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import click

from encoder.cli.options import Common, any_path, pipeline, say_json, together
from encoder.errors import ExitCode, MachineError, UsageError


@dataclass(frozen=True, slots=True)
class Output:
    """Where a verdict goes, beside standard output."""

    gates: Path | None
    junit: Path | None
    markdown: Path | None
    report: Path | None
    pictures: Path | None
    reference: Path | None


# Adds the options of :class:`Output`, given to the function as ``output``.
output_options = together(
    "output",
    Output,
    tuple(field.name for field in fields(Output)),
    (
        click.option(
            "--gates",
            type=any_path,
            metavar="FILE",
            help="A YAML file of gates, instead of the usual ones.",
        ),
        click.option(
            "--junit", type=any_path, metavar="FILE", help="Write the verdict as JUnit XML."
        ),
        click.option("--markdown", type=any_path, metavar="FILE", help="Write it as Markdown."),
        click.option(
            "--report",
            type=any_path,
            metavar="FILE",
            help="Write a page (HTML) with pictures of the frames that failed: reference, "
            "baseline, candidate and their errors amplified.",
        ),
        click.option(
            "--pictures",
            type=any_path,
            metavar="FOLDER",
            help="Put the pictures of that page there as files; --markdown then shows them.",
        ),
        click.option(
            "--reference",
            type=any_path,
            metavar="MASTER",
            help="The master, for the pictures, where it is not where the run had it.",
        ),
    ),
)


def compare_and_say(
    baseline: Path, candidate: Path, output: Output, common: Common, *, as_json: bool
) -> bool:
    """Compares, writes what was asked for, and prints the verdict.

    Returns:
        Whether all gates passed.
    """
    from encoder.engine.events import Notice
    from encoder.engine.evidence import frame_finder, take_pictures, write_pictures
    from encoder.engine.publish import check_written
    from encoder.engine.regression import REPORT, measures, read_gates, read_runs
    from encoder.report.regression import (
        Picture,
        junit_text,
        markdown_text,
        plain_text,
        regression_document,
    )
    from encoder.report.regression_page import FramePictures, render_regression
    from encoder.score.gates import DEFAULT_GATES, compare_clips

    gates = DEFAULT_GATES if output.gates is None else read_gates(output.gates)
    ours, theirs = read_runs(baseline), read_runs(candidate)
    given = (baseline, candidate, output.gates, output.reference)
    read = [path for path in given if path is not None]
    packages = [run.package for run in (*ours, *theirs) if run.package is not None]
    written = (output.junit, output.markdown, output.report)
    check_written(
        [path for path in written if path is not None],
        [*read, *packages, *(package / REPORT for package in packages)],
    )
    if output.reference is not None and len(theirs) > 1:
        raise UsageError(
            "--reference is for a single clip",
            where=str(candidate),
            why=f"it has {len(theirs)} runs",
            hint="Leave it out, or compare the packages one by one",
        )
    reports = compare_clips(measures(ours), measures(theirs), gates, frame_finder(ours, theirs))
    shown: list[FramePictures] = []
    notes: list[str] = []
    failed = any(not report.passed for report in reports)
    if failed and (output.report is not None or output.pictures is not None):
        with pipeline(common) as steps:
            shown, notes = take_pictures(steps, ours, theirs, reports, output.reference)
            for note in notes:
                steps.emit(Notice("warning", note))
    pictures = []
    if output.pictures is not None:
        pictures = [
            Picture(one.clip, one.rung, one.frame, kind, str(path))
            for one, kind, path in write_pictures(shown, output.pictures)
        ]
    if output.report is not None:
        names = baseline.name or str(baseline), candidate.name or str(candidate)
        write_text(output.report, render_regression(reports, shown, notes, names))
    if output.junit is not None:
        write_text(output.junit, junit_text(reports))
    if output.markdown is not None:
        write_text(output.markdown, markdown_text(reports, pictures))
    if as_json:
        say_json(regression_document(reports, pictures))
    else:
        click.echo(plain_text(reports), nl=False)
        for path in (output.report, *(Path(picture.path) for picture in pictures)):
            if path is not None:
                click.echo(f"  written: {path}")
    if failed and not as_json and all(r.conditions for r in reports if not r.passed):
        click.echo(
            "All that failed was measured under other conditions than the baseline: if the change "
            "of conditions is meant, look at it and run `encoder baseline update`.",
            err=True,
        )
    return not failed


def exit_code(passed: bool) -> int:
    """That of a verdict."""
    return ExitCode.OK if passed else ExitCode.VERDICT


def write_text(path: Path, content: str) -> None:
    """Writes a report's text, beside its place first.

    Raises:
        MachineError: when it cannot be written.
    """
    try:
        data = content.encode("utf-8", "backslashreplace")
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe, or a folder, which is an error
            return
        draft = path.with_name(f".{path.name}.part")
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise MachineError(
            "The comparison cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            hint="Choose a folder that exists and can be written to",
        ) from error
