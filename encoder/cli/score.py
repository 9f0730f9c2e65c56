"""``encoder score``: files or a package against their master."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.options import (
    Common,
    common_options,
    json_option,
    load,
    master_argument,
    pipeline,
    policy_option,
    say_json,
)


@click.command("score")
@master_argument
@click.argument("distorted", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the values of every frame there, one .npz file a rendition.",
)
@click.option(
    "--every",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Score every N-th frame only.",
)
@click.option("--model", default="vmaf_v0.6.1", show_default=True, help="The VMAF model.")
@policy_option
@json_option
@common_options
def command(
    master: Path,
    distorted: tuple[Path, ...],
    output: Path | None,
    every: int,
    model: str,
    policy_name: str,
    as_json: bool,
    common: Common,
) -> None:
    """Score DISTORTED, packages or video files, against MASTER.

    The pictures of MASTER are conformed as for an ingest, and everything is compared at its
    display resolution.

    \b
    encoder score master.mov out/
    encoder score master.mov one.mp4 two.mp4 --json
    """
    from encoder.cli.tables import print_scorecard
    from encoder.engine.folders import find_distorted
    from encoder.engine.publish import check_destination, publish, staging
    from encoder.report.verbs import scores_document

    policy = load(policy_name, None, None)
    files = find_distorted(distorted)
    if output is not None:
        check_destination(output, (master, *distorted))
    with pipeline(common) as steps:
        found = steps.master(master)
        conform = steps.conform(found, policy)
        analysis = steps.analysis(found, conform)
        if output is None:
            with steps.store.work() as scratch:
                card = steps.scorecard(
                    found, conform, analysis, files, scratch, every=every, model=model
                )
        else:
            with staging(output) as folder:
                card = steps.scorecard(
                    found, conform, analysis, files, folder, every=every, model=model
                )
                publish(folder, output, "", found.digest, {})
    if as_json:
        say_json(scores_document(card, output))
    else:
        print_scorecard(card)
