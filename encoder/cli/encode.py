"""``encoder encode``: renditions of a ladder, in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoder.cli.options import (
    Common,
    any_path,
    codec_option,
    common_options,
    effort_option,
    json_option,
    load,
    master_argument,
    pipeline,
    policy_option,
    preset_option,
    say_json,
    sidecars,
    subtitles_option,
)

if TYPE_CHECKING:
    from encoder.ladder.evidence import EffortName


@click.command("encode")
@master_argument
@click.option(
    "-o",
    "--output",
    type=any_path,
    required=True,
    help="Folder of the renditions: one MP4 file each, and renditions.json.",
)
@click.option(
    "--ladder",
    "ladder_file",
    type=any_path,
    metavar="FILE",
    help="A ladder that `encoder ladder --json` wrote; otherwise it is decided now.",
)
@policy_option
@codec_option
@preset_option
@effort_option
@subtitles_option
@json_option
@common_options
def command(
    master: Path,
    output: Path,
    ladder_file: Path | None,
    policy_name: str,
    codec: str | None,
    preset: str | None,
    effort: EffortName,
    subtitles: tuple[tuple[str, Path], ...],
    as_json: bool,
    common: Common,
) -> None:
    """Encode the renditions of MASTER: video, audio and subtitles.

    \b
    encoder encode master.mov -o renditions/
    encoder encode master.mov --ladder ladder.json -o renditions/
    """
    from encoder.cli.tables import print_renditions
    from encoder.engine.folders import read_ladder, save_renditions
    from encoder.engine.publish import check_destination
    from encoder.engine.texts import make_text
    from encoder.media.frames import frame_time

    policy = load(policy_name, codec, preset)
    inputs = (master,) if ladder_file is None else (master, ladder_file)
    files = sidecars(subtitles)
    check_destination(output, (*inputs, *(one.path for one in files)))
    with pipeline(common) as steps:
        found = steps.master(master)
        conform, analysis = steps.reference(found, policy)
        if ladder_file is not None:
            ladder = read_ladder(ladder_file, conform, analysis)
        else:
            ladder = steps.ladder(found, conform, analysis, policy, effort)
        duration = frame_time(analysis.frames, conform.frame_rate)
        text = make_text(steps, found, conform, duration, files)
        made = steps.renditions(found, conform, analysis, ladder, policy)
        made = replace(made, text=text)
        document = save_renditions(made, found, output)
    if as_json:
        say_json(document)
    else:
        print_renditions(made, output)
