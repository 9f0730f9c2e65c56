"""``encoder package``: renditions to a package."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoder.cli.options import (
    Common,
    any_path,
    clear_lead_option,
    common_options,
    json_option,
    layout_options,
    pipeline,
    protect_option,
    say_json,
    sidecars,
    subtitles_option,
)
from encoder.errors import UsageError

if TYPE_CHECKING:
    from encoder.media.package import Layout


@click.command("package")
@click.argument("renditions", type=any_path, nargs=-1, required=True)
@click.option("-o", "--output", type=any_path, required=True, help="Folder of the package.")
@click.option(
    "--segment-seconds",
    default="6",
    show_default=True,
    metavar="S",
    help="How long a segment is about; it consists of whole groups of pictures.",
)
@layout_options
@protect_option
@clear_lead_option
@subtitles_option
@json_option
@common_options
def command(
    renditions: tuple[Path, ...],
    output: Path,
    segment_seconds: str,
    layout: Layout,
    protect: str | None,
    clear_lead: str | None,
    subtitles: tuple[tuple[str, Path], ...],
    as_json: bool,
    common: Common,
) -> None:
    """Package RENDITIONS as CMAF for HLS and DASH, without encoding anything.

    RENDITIONS are a folder that `encoder encode` made, or files that were encoded elsewhere: MP4,
    transport streams, WebM or Matroska with H.264, HEVC, AV1 or VP9, and with AAC, AC-3, E-AC-3 or
    Opus. Whether they have the same frame rate, length and key frames is found out first.

    \b
    encoder package renditions/ -o out/
    encoder package renditions/ -o out/ --segments files --names hash
    encoder package 720p.mp4 360p.ts sound.m4a -o out/
    encoder package renditions/ -o out/ --subtitles fr:forced signs.fr.srt
    encoder package renditions/ -o out/ --protect generate
    """
    from encoder.cli.tables import print_package
    from encoder.engine.elsewhere import Gathered, check_inputs, gather_elsewhere, is_folder
    from encoder.engine.events import Notice
    from encoder.engine.folders import read_renditions
    from encoder.engine.keys import asked_keys, check_layout
    from encoder.engine.proof import prove
    from encoder.engine.publish import check_destination, publish, read_published, staging
    from encoder.engine.texts import make_text
    from encoder.media.frames import frame_time
    from encoder.media.package import Packaging
    from encoder.report.verbs import package_document, published_package

    try:
        length = Fraction(segment_seconds)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            "--segment-seconds is not a number", where=segment_seconds, hint="Give 6, or 4.5"
        ) from None
    if not 1 <= length <= 30:
        raise UsageError("--segment-seconds must be between 1 and 30", where=segment_seconds)
    files = sidecars(subtitles)
    check_inputs(renditions)
    check_destination(output, (*renditions, *(one.path for one in files)))
    keys = asked_keys(protect, clear_lead, output)
    if keys is not None:
        keys.check_new()
        check_layout(keys.protection, layout)
    protection = keys.protection if keys else None
    packaging = Packaging(length, layout, protection)
    source = read_published(renditions[0])
    made_here = is_folder(renditions[0])
    with pipeline(common) as steps, staging(output) as folder, steps.store.work() as scratch:
        if keys and keys.warning:
            steps.emit(Notice("warning", keys.warning))
        gathered = (
            Gathered(read_renditions(renditions[0]))
            if made_here
            else gather_elsewhere(steps, renditions, scratch)
        )
        found = gathered.renditions
        duration = frame_time(found.frames, found.frame_rate)
        found = replace(found, text=make_text(steps, None, None, duration, files, found.text))
        with gathered.named():
            made = replace(steps.package(found, folder, packaging), path=output)
        prove(folder, protection)
        digest = source.master_digest if source else ""
        with keys.kept() if keys else nullcontext():
            publish(folder, output, "", digest, published_package(made))
        if keys and keys.beside:
            steps.emit(Notice("info", f"the keys are in {keys.beside}: nothing plays without"))
    if as_json:
        say_json(package_document(made))
    else:
        print_package(made, output)
