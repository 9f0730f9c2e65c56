"""``encoder ingest``: the whole job."""

from __future__ import annotations

import sys
from pathlib import Path

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
    nothing_to_do,
    pipeline,
    policy_option,
    preset_option,
    say_json,
)


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
@click.option(
    "--score",
    type=click.Choice(("none", "sampled", "full")),
    default="full",
    show_default=True,
    help="Which frames of the package are scored; sampled is every fifth.",
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
    effort: str,
    score: str,
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
    """
    from encoder.cli.tables import print_ingest, print_plan
    from encoder.engine.request import Request

    request = Request(
        master=master,
        output=output,
        policy=load(policy_name, codec, preset),
        effort=effort,  # type: ignore[arg-type]  # click.Choice has checked it
        score=score,  # type: ignore[arg-type]
        force=force,
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
