"""A comparison as one page: what failed, with pictures, and everything else that was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from encoder.media.regression import Check, RegressionReport, shown, shown_change
from encoder.report import text
from encoder.report.html import content_policy, environment, resource


@dataclass(frozen=True, slots=True)
class Part:
    """JPEG pictures of one size, by what they show: a frame ``whole``, or a ``detail`` of it."""

    name: str
    pictures: tuple[tuple[str, bytes], ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FramePictures:
    """A frame that failed gates, whole and in detail."""

    clip: str
    rung: str
    frame: int
    shot: int | None
    time: Fraction
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Failure:
    """The checks that failed for one frame, and how it looks."""

    checks: tuple[Check, ...]
    title: str
    pictures: FramePictures
    flip: str


@dataclass(frozen=True, slots=True)
class _Cell:
    """What one gate found of one rung: the value, how it changed, and whether that is too much."""

    value: str
    change: str
    passed: bool


@dataclass(frozen=True, slots=True)
class _Overview:
    """All gates of all rungs: names of columns, and a cell for each, None where there is none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[_Cell | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Clip:
    report: RegressionReport
    overview: _Overview
    failures: tuple[_Failure, ...]
    others: tuple[Check, ...]
    passed: tuple[Check, ...]


def render_regression(
    reports: Sequence[RegressionReport],
    shown: Sequence[FramePictures],
    notes: Sequence[str],
    names: tuple[str, str],
) -> str:
    """The page as text, to be written as UTF-8; nothing is loaded from elsewhere.

    Args:
        reports: the clips.
        shown: pictures of frames that failed.
        notes: what could not be shown.
        names: what baseline and candidate are called.
    """
    from markupsafe import Markup

    style, script = resource("report.css"), resource("report.js")
    clips = [_clip(report, shown) for report in reports]
    failed = sum(not check.passed for report in reports for check in report.checks)
    page = (
        environment()
        .get_template("regression.html.j2")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=content_policy(style, script),
            baseline=names[0],
            candidate=names[1],
            clips=clips,
            failed=failed,
            total=sum(len(report.checks) for report in reports),
            notes=notes,
        )
    )
    return text.encodable(page)


def _clip(report: RegressionReport, shown: Sequence[FramePictures]) -> _Clip:
    failed = [check for check in report.checks if not check.passed]
    failures = []
    for pictures in shown:
        if pictures.clip != report.clip:
            continue
        place = pictures.rung, pictures.frame
        title = f"frame {text.grouped(pictures.frame)} at {text.clock(pictures.time)}"
        title += "" if pictures.shot is None else f", shot {pictures.shot}"
        own = tuple(check for check in failed if (check.rung, check.frame) == place)
        failures.append(_Failure(own, title, pictures, _flip(pictures)))
    told = {id(check) for failure in failures for check in failure.checks}
    return _Clip(
        report,
        _overview(report.checks),
        tuple(failures),
        tuple(check for check in failed if id(check) not in told),
        tuple(check for check in report.checks if check.passed),
    )


def _overview(checks: Sequence[Check]) -> _Overview:
    of_rungs = [check for check in checks if check.rung and check.candidate is not None]
    columns = tuple(dict.fromkeys(check.gate for check in of_rungs))
    # Of two gates of the same kind, the one that fails is shown.
    cells = {
        (check.rung, check.gate): _cell(check)
        for check in sorted(of_rungs, key=lambda check: not check.passed)
    }
    rungs = dict.fromkeys(check.rung for check in of_rungs)
    return _Overview(
        tuple(name.replace("_", " ") for name in columns),
        tuple((rung, tuple(cells.get((rung, name)) for name in columns)) for rung in rungs),
    )


def _cell(check: Check) -> _Cell:
    metric = check.gate.partition(".")[0]
    value = "" if check.candidate is None else shown(metric, check.candidate)
    change = ""
    if check.change is not None and check.baseline is not None:
        change = shown_change(metric, check.baseline, check.change)
    return _Cell(value, change.replace("-", "\N{MINUS SIGN}"), check.passed)


def _flip(pictures: FramePictures) -> str:
    """Which two pictures a click in the viewer goes to and fro between."""
    kinds = [kind for kind, _ in pictures.parts[0].pictures]
    return "1 2" if kinds[:3] == ["reference", "baseline", "candidate"] else "0 1"
