"""``encoder score``: files or a package against their reference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoder.cli.options import (
    Common,
    any_path,
    common_options,
    first_steps,
    json_option,
    load,
    policy_option,
    say_json,
)
from encoder.errors import UsageError

if TYPE_CHECKING:
    from encoder.media.pairs import MetricResult, ScoreSheet
    from encoder.score.evidence import Evidence

_FILE = any_path


@click.command("score")
@click.argument("reference", type=_FILE)
@click.argument("distorted", nargs=-1, required=True, type=_FILE)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="vmaf, neg, 4k, vmaf_v1 or any VMAF model's name; psnr, ssim, ms-ssim, xpsnr, cambi.  "
    "[default: vmaf,psnr,ssim]",
)
@click.option(
    "--align",
    type=click.Choice(("check", "auto")),
    default="check",
    show_default=True,
    help="What to do when frames, rate or shape differ: refuse, or mend it where that is exact.",
)
@click.option(
    "--conform",
    is_flag=True,
    help="Compare with the reference pictures of an ingest; packages always are.",
)
@click.option(
    "--every",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Score every N-th frame only.",
)
@click.option(
    "--reference-implementation",
    "sampled",
    is_flag=True,
    help="Also PSNR and SSIM as scikit-image defines them, on a few frames.",
)
@click.option("--per-frame", is_flag=True, help="With --json: the values of every frame, too.")
@click.option("--per-shot", is_flag=True, help="A table of every shot, too.")
@click.option(
    "-o",
    "--output",
    type=_FILE,
    metavar="FOLDER",
    help="Keep the values of every frame there, one .npz file for each file scored.",
)
@click.option("--csv", "csv_path", type=_FILE, metavar="FILE", help="Every frame's values as CSV.")
@click.option("--parquet", type=_FILE, metavar="FILE", help="The same as a Parquet table.")
@click.option("--plot", type=_FILE, metavar="FILE", help="Draw them over time: .png or .svg.")
@click.option(
    "--worst",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Pictures of the worst N frames of each file, by the first metric, beside the reference "
    "and the difference amplified; needs --pictures.",
)
@click.option("--pictures", type=_FILE, metavar="FOLDER", help="Where the pictures go.")
@policy_option
@json_option
@common_options
def command(
    reference: Path,
    distorted: tuple[Path, ...],
    metrics: tuple[str, ...],
    align: str,
    conform: bool,
    every: int,
    sampled: bool,
    per_frame: bool,
    per_shot: bool,
    output: Path | None,
    csv_path: Path | None,
    parquet: Path | None,
    plot: Path | None,
    worst: int | None,
    pictures: Path | None,
    policy_name: str,
    as_json: bool,
    common: Common,
) -> None:
    """Score DISTORTED, video files or packages, against REFERENCE.

    Frames are compared one by one in the reference's size and colour. That the files belong
    together is checked, and they are refused (exit status 6) where not. One of them may be - for a
    Y4M stream on standard input.

    \b
    encoder score master.mov out/
    encoder score master.mov one.mp4 two.mp4 -m vmaf,neg,xpsnr --json
    encoder score master.mov one.mp4 --worst 3 --pictures worst/
    ffmpeg -i one.mp4 -f yuv4mpegpipe - | encoder score master.mov -
    """
    from encoder.engine.publish import check_destination, check_written
    from encoder.engine.sheets import ScoreJob, keep_values, score
    from encoder.report.score_sheet import sheet_document, write_csv, write_parquet, write_plot
    from encoder.score.metrics import DEFAULT, parse_metrics

    if (worst is None) != (pictures is None):
        raise UsageError("--worst and --pictures go together")
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise UsageError("The plot is a .png or .svg file", where=str(plot))
    job = ScoreJob(
        reference,
        distorted,
        parse_metrics(metrics or DEFAULT),
        load(policy_name, None, None),
        conform=conform,
        automatic=align == "auto",
        every=every,
        sampled=sampled,
        worst=worst or 0,
        pictures=pictures,
    )
    if output is not None:
        check_destination(output, (reference, *distorted))
    tables = [path for path in (csv_path, parquet, plot) if path is not None]
    check_written(tables, (reference, *distorted))
    with first_steps(common) as steps:
        sheet, evidence = score(steps, job, sys.stdin.buffer)
    if output is not None:
        keep_values(sheet, output)
    for path, write in ((csv_path, write_csv), (parquet, write_parquet), (plot, write_plot)):
        if path is not None:
            write(sheet, path)
    if as_json:
        shown = [(e.id, e.frame, e.metric, e.value, str(e.path)) for e in evidence]
        say_json(sheet_document(sheet, output, per_frame=per_frame, pictures=shown))
        return
    _print(sheet, per_shot=per_shot)
    _print_evidence(evidence)


def _print(sheet: ScoreSheet, *, per_shot: bool) -> None:
    from encoder.cli.tables import console, row, table

    made = table(
        "",
        "file",
        "metric",
        "model",
        ">mean",
        ">harmonic",
        ">p1",
        ">p5",
        ">median",
        ">worst",
        ">frame",
        ">size",
    )
    for pair in sheet.pairs:
        for one in pair.metrics:
            size = f"{pair.width}x{pair.height}"
            cells = _cells(one, pair.frames, pair.every)
            row(made, pair.id, one.metric, one.model, *cells, size)
        for name, value in pair.sampled:
            mean = f"{value:.4f}"
            row(made, pair.id, name, f"{pair.sampled_frames} frames", mean, *[""] * 6, "")
    console().print(made)
    for pair in sheet.pairs:
        for one in pair.metrics:
            if one.pools is None:
                console().print(f"{pair.id}: {one.metric} does not apply: {one.why_not}")
    if not per_shot:
        return
    shots = table("", "file", ">shot", ">frames", "metric", ">mean", ">worst", ">at frame")
    for pair in sheet.pairs:
        for number, shot in enumerate(sheet.shots):
            for one in pair.metrics:
                pools = one.shots[number] if one.shots else None
                if pools is None:
                    continue
                row(
                    shots,
                    pair.id,
                    str(number),
                    f"{shot.start}-{shot.end - 1}",
                    one.metric,
                    f"{pools.mean:.{one.digits}f}",
                    f"{pools.worst:.{one.digits}f}",
                    str(pools.worst_frame),
                )
    console().print(shots)


def _cells(one: MetricResult, frames: int, every: int) -> list[str]:
    if one.pools is None:
        return ["-"] * 7
    pools = one.pools
    if one.perfect and one.perfect == -(-frames // every):
        return ["inf"] * 6 + ["-"]
    values = (pools.mean, pools.harmonic_mean, pools.p1, pools.p5, pools.p50, pools.worst)
    return [f"{value:.{one.digits}f}" for value in values] + [str(pools.worst_frame)]


def _print_evidence(evidence: list[Evidence]) -> None:
    for one in evidence:
        click.echo(f"{one.path}: {one.id}, frame {one.frame}, {one.metric} {one.value:.3f}")
