"""Tables for people, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from encoder.errors import printable
from encoder.report.text import some

if TYPE_CHECKING:
    from encoder.engine.doctor import Finding
    from encoder.engine.plan import PlannedStage
    from encoder.media.ladder import Expected, Explanation, Ladder
    from encoder.media.package import Package
    from encoder.media.renditions import RenditionSet
    from encoder.media.shots import Analysis

_PIPE_WIDTH = 120


def console() -> Console:
    """Standard output; a pipe gets lines of a fixed width, so that they can be compared."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(
        width=width,
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
        # What is shown comes out of files: brackets in it are brackets.
        markup=False,
        emoji=False,
    )


def table(title: str, *columns: str) -> Table:
    """A table whose columns are right-aligned where their name starts with ``>``."""
    made = Table(
        title=printable(title) or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        # What is too long goes on in the next line: of names the end may be what tells them apart.
        made.add_column(
            column.lstrip(">"),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
        )
    return made


def row(made: Table, *cells: str) -> None:
    """Adds a row, whatever is in the names and titles that it shows."""
    made.add_row(*(line(cell) for cell in cells))


def line(text: str) -> Text:
    """Text on one line, safe for a terminal."""
    return Text(printable(text))


def bitrate(value: int | None) -> str:
    """A bitrate in bits per second as kb/s or Mb/s."""
    if value is None:
        return "-"
    return f"{value / 1e6:.2f} Mb/s" if value >= 1_000_000 else f"{value / 1e3:.0f} kb/s"


def seconds(value: Fraction) -> str:
    """A time as h:mm:ss.mmm, the hours left out where there are none."""
    thousandths = round(value * 1000)
    minutes, rest = divmod(abs(thousandths), 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if thousandths < 0 else ""
    tail = f"{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{sign}{hours}:{tail}" if hours else f"{sign}{tail}"


def rate(value: Fraction) -> str:
    """A frame rate, with the exact fraction where it is not whole."""
    if value.denominator == 1:
        return f"{value.numerator}"
    return f"{float(value):.3f} ({value.numerator}/{value.denominator})"


def print_ingest(document: dict[str, Any], output: Path) -> None:
    """The rungs that were made, and what they save."""
    out = console()
    made = table(
        "",
        "rung",
        ">size",
        ">average",
        ">peak",
        ">VMAF",
        ">5th pct",
        ">PSNR-Y",
        ">SSIM",
        ">expected",
    )
    expected = {rung["id"]: rung["expected"] for rung in document["ladder"]["rungs"]}
    for one in document["renditions"]:
        scores = one["scores"] or {}
        promised = expected.get(one["id"])
        row(
            made,
            one["id"],
            f"{one['width']}x{one['height']}",
            bitrate(one["average_bitrate"]),
            bitrate(one["peak_bitrate"]),
            _score(scores, "vmaf", "mean", 1),
            _score(scores, "vmaf", "p5", 1),
            _score(scores, "psnr_y", "mean", 2),
            _score(scores, "ssim", "mean", 4),
            f"{bitrate(promised['average_bitrate'])}, {promised['vmaf']:.1f}" if promised else "-",
        )
    out.print(made)
    savings = document["savings"]
    if savings is not None:
        change = savings["bd_rate_vmaf"]
        if change is None:
            said = f"no range of quality in common with {savings['reference_policy']}"
        else:
            word = "fewer" if change < 0 else "more"
            said = (
                f"{abs(change):.1f}% {word} bits than {savings['reference_policy']} at equal VMAF "
                "(expected BD-rate)"
            )
        out.print(line(said))
    if document["text"]:
        words = (f"{one['name']} ({some(one['cues'], 'cue')})" for one in document["text"])
        out.print(line(f"Subtitles: {', '.join(words)}"))
    size = document["package"]["bytes"] / 1e6
    hls, dash = document["package"]["hls"], document["package"]["dash"]
    files = [str(output / hls), *([dash] if dash else []), "report.html"]
    out.print(line(f"{', '.join(files)}: {size:.1f} MB"))


def _score(scores: dict[str, Any], metric: str, pooling: str, digits: int) -> str:
    value = scores.get(metric)
    if value is None or value[pooling] is None:
        return "-"
    return f"{value[pooling]:.{digits}f}"


def print_plan(stages: Sequence[PlannedStage]) -> None:
    """What a dry run found."""
    made = table("", "stage", "state", "why", "command")
    for one in stages:
        row(made, one.stage, one.state, one.why, one.command)
    console().print(made)


def print_analysis(analysis: Analysis) -> None:
    """The shots."""
    made = table(
        f"{analysis.frames} frames at {rate(analysis.frame_rate)}",
        ">shot",
        ">from",
        ">to",
        ">frames",
        ">time",
        ">spatial",
        ">temporal",
        ">texture",
        ">noise",
        ">luma",
        "starts with",
    )
    for number, shot in enumerate(analysis.shots):
        c = shot.complexity
        row(
            made,
            str(number),
            str(shot.frames.start),
            str(shot.frames.end),
            str(len(shot.frames)),
            seconds(shot.frames.start / analysis.frame_rate),
            f"{c.spatial:.1f}",
            f"{c.temporal:.1f}",
            f"{c.texture:.1f}",
            f"{c.noise:.2f}",
            f"{c.brightness:.0f}",
            "a cut" if shot.cut else "a split",
        )
    console().print(made)


def print_ladder(ladder: Ladder) -> None:
    """The rungs and why they are there."""
    out = console()
    made = table(
        f"{ladder.policy}: {ladder.codec}, preset {ladder.preset}",
        "rung",
        ">size",
        ">CRF",
        ">expected",
        ">VMAF",
        ">at most",
        "why",
    )
    for rung in ladder.rungs:
        crfs = sorted(set(rung.crf_per_shot))
        crf = "-" if not crfs else f"{crfs[0]:g}" if len(crfs) == 1 else f"{crfs[0]:g}-{crfs[-1]:g}"
        row(
            made,
            rung.id,
            f"{rung.width}x{rung.height}",
            crf,
            bitrate(rung.expected.average_bitrate if rung.expected else rung.target_bitrate),
            _expected_vmaf(rung.expected),
            bitrate(rung.max_bitrate),
            rung.why,
        )
    out.print(made)
    for note in ladder.notes:
        out.print(line(note))
    savings = ladder.savings
    if savings is not None and savings.bd_rate_vmaf is not None:
        word = "fewer" if savings.bd_rate_vmaf < 0 else "more"
        out.print(
            line(
                f"{abs(savings.bd_rate_vmaf):.1f}% {word} bits than {savings.reference_policy} at "
                "equal VMAF (expected BD-rate)"
            )
        )


def _expected_vmaf(expected: Expected | None) -> str:
    if expected is None:
        return "-"
    margin = (expected.vmaf_interval.high - expected.vmaf_interval.low) / 2
    return f"{expected.vmaf:.1f} ±{margin:.1f}" if margin >= 0.05 else f"{expected.vmaf:.1f}"


def print_explanations(explanations: Sequence[Explanation]) -> None:
    """Why each rung is as it is, in sentences."""
    out = console()
    for one in explanations:
        out.print(line(f"{one.rung}: {' '.join(one.sentences)}"))
        out.print()


def print_renditions(renditions: RenditionSet, output: Path) -> None:
    """The files that were encoded."""
    out = console()
    made = table("", "rendition", "codec", ">size", ">frames", ">IDR frames", ">bytes")
    for one in renditions.video:
        row(
            made,
            one.id,
            one.codec,
            f"{one.width}x{one.height}",
            str(one.frames),
            str(len(one.keyframes)),
            f"{one.path.stat().st_size:,}",
        )
    for track in renditions.audio:
        row(
            made,
            track.id,
            track.codec,
            f"{track.channels} ch",
            "",
            "",
            f"{track.path.stat().st_size:,}",
        )
    for words in renditions.text:
        size = words.path.stat().st_size
        row(made, words.id, words.origin, f"{words.cues} cues", "", "", f"{size:,}")
    out.print(made)
    out.print(line(str(output)))


def print_package(package: Package, output: Path) -> None:
    """The tracks of a package."""
    out = console()
    made = table("", "track", "codec", ">average", ">peak", ">segments", ">bytes")
    for track in package.tracks:
        row(
            made,
            track.id,
            track.codec_string,
            bitrate(track.average_bitrate),
            bitrate(track.peak_bitrate),
            str(track.segments),
            f"{track.bytes:,}",
        )
    out.print(made)
    manifests = [str(output / package.hls), *([str(package.dash)] if package.dash else [])]
    out.print(line(", ".join(manifests)))


def print_findings(findings: Sequence[Finding], *, good: bool) -> None:
    """What the machine can do, and how to mend what it cannot."""
    made = table("", "", "", "found", "for")
    made.show_header = False
    for one in findings:
        mark = "ok" if one.ok else "MISSING" if one.required else "without"
        row(made, mark, one.name, one.found, one.needed_for)
    out = console()
    out.print(made)
    for one in findings:
        if not one.ok:
            out.print(line(f"{one.name}: {one.mend}"))
    out.print(line("Everything the main job needs is here." if good else "Not ready."))
