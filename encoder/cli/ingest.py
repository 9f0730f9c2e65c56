"""``encoder ingest``: the whole job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoder.cli.options import (
    Common,
    any_path,
    clear_lead_option,
    codec_option,
    common_options,
    effort_option,
    json_option,
    layout_options,
    load,
    master_argument,
    nothing_to_do,
    pipeline,
    policy_option,
    preset_option,
    protect_option,
    say_json,
    sidecars,
    subtitles_option,
)

if TYPE_CHECKING:
    from encoder.engine.request import ScoreMode
    from encoder.ladder.evidence import EffortName
    from encoder.media.package import Layout


@click.command("ingest")
@master_argument
@click.option(
    "-o",
    "--output",
    type=any_path,
    required=True,
    help="Folder of the package; a package that encoder made there is replaced.",
)
@policy_option
@codec_option
@preset_option
@effort_option
@subtitles_option
@layout_options
@protect_option
@clear_lead_option
@click.option(
    "--score",
    type=click.Choice(("none", "sampled", "full")),
    default="full",
    show_default=True,
    help="Which frames of the package are scored; sampled is every ninth.",
)
@click.option(
    "--correct/--no-correct",
    default=True,
    show_default=True,
    help="Encode again, where they missed, rungs that are off by more than 0.5 VMAF or 5% of rate; "
    "needs scores.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Replace the package of another master.")
@json_option
@common_options
def command(
    master: Path,
    output: Path,
    policy_name: str,
    codec: str | None,
    preset: str | None,
    effort: EffortName,
    subtitles: tuple[tuple[str, Path], ...],
    layout: Layout,
    protect: str | None,
    clear_lead: str | None,
    score: ScoreMode,
    correct: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    common: Common,
) -> None:
    """Turn MASTER into a scored HLS and DASH package.

    \b
    encoder ingest master.mov -o out/
    encoder ingest master.mov -o out/ --policy data-saver --score sampled
    encoder ingest master.mov -o out/ --codec av1 --json > result.json
    encoder ingest master.mov -o out/ --subtitles de film.de.srt --subtitles en:sdh film.vtt
    encoder ingest master.mov -o out/ --protect generate
    """
    from encoder.cli.tables import print_ingest, print_plan
    from encoder.engine.keys import asked_keys
    from encoder.engine.request import Request

    request = Request(
        master=master,
        output=output,
        policy=load(policy_name, codec, preset),
        effort=effort,
        score=score,
        force=force,
        subtitles=sidecars(subtitles),
        correct=correct,
        layout=layout,
        keys=asked_keys(protect, clear_lead, output),
        protect=protect,
        clear_lead=clear_lead,
        command=("encoder", *sys.argv[1:]),
        choices=(
            *("--policy", policy_name),
            *(("--codec", codec) if codec else ()),
            *(("--preset", preset) if preset else ()),
        ),
    )
    if dry_run:
        from encoder.engine.plan import plan, plan_document

        with pipeline(common) as steps:
            planned = plan(steps, request)
        if as_json:
            say_json(plan_document(planned))
        else:
            print_plan(planned)
        return
    # What takes long to load is not loaded when there is nothing to do.
    outcome = nothing_to_do(common, request)
    if outcome is None:
        from encoder.engine.ingest import ingest

        with pipeline(common) as steps:
            outcome = ingest(steps, request)
    if as_json:
        say_json(outcome.document)
    else:
        print_ingest(outcome.document, output)
