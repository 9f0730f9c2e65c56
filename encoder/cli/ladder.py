"""``encoder ladder``: the decision, and why."""

from __future__ import annotations

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
    pipeline,
    policy_option,
    preset_option,
    say_json,
)
from encoder.errors import UsageError


@click.command("ladder")
@master_argument
@policy_option
@codec_option
@preset_option
@effort_option
@click.option(
    "--plot",
    type=any_path,
    metavar="FILE",
    help="Draw trials, hull, rungs and the fixed ladder: a .png or .svg file.",
)
@json_option
@common_options
def command(
    master: Path,
    policy_name: str,
    codec: str | None,
    preset: str | None,
    effort: str,
    plot: Path | None,
    as_json: bool,
    common: Common,
) -> None:
    """Decide the rungs for MASTER, and say why.

    \b
    encoder ladder master.mov
    encoder ladder master.mov --policy data-saver --plot ladder.svg
    encoder ladder master.mov --json > ladder.json
    """
    from encoder.cli.tables import print_ladder
    from encoder.report.verbs import ladder_document

    policy = load(policy_name, codec, preset)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise UsageError("A plot is a .png or .svg file", where=str(plot))
    with pipeline(common) as steps:
        found = steps.master(master)
        conform = steps.conform(found, policy)
        analysis = steps.analysis(found, conform)
        decided = steps.ladder(found, conform, analysis, policy, effort)  # type: ignore[arg-type]
    if plot is not None:
        from encoder.report.plot import save_ladder_plot

        save_ladder_plot(decided, plot)
    if as_json:
        say_json(ladder_document(decided))
    else:
        print_ladder(decided)
