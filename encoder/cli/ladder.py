"""``encoder ladder``: the decision, and why."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
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
)
from encoder.errors import UsageError

if TYPE_CHECKING:
    from encoder.ladder.evidence import EffortName


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
@click.option("--explain", "explained", is_flag=True, help="Say of each rung why it is this one.")
@click.option(
    "--compare",
    "against",
    metavar="POLICY",
    help="Encode and measure this ladder and that of another policy, side by side.",
)
@json_option
@common_options
def command(
    master: Path,
    policy_name: str,
    codec: str | None,
    preset: str | None,
    effort: EffortName,
    plot: Path | None,
    explained: bool,
    against: str | None,
    as_json: bool,
    common: Common,
) -> None:
    """Decide the rungs for MASTER, and say why.

    \b
    encoder ladder master.mov
    encoder ladder master.mov --policy data-saver --plot ladder.svg
    encoder ladder master.mov --explain
    encoder ladder master.mov --compare apple-hls
    encoder ladder master.mov --json > ladder.json

    Ctrl-C ends the search for a better decision: what is known by then decides. A second one
    interrupts.
    """
    from encoder.cli.tables import print_explanations, print_ladder
    from encoder.ladder.explain import explain
    from encoder.report.verbs import explanation_document, ladder_document

    policy = load(policy_name, codec, preset)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise UsageError("A plot is a .png or .svg file", where=str(plot))
    other = load(against, None, None) if against is not None else None
    with pipeline(common) as steps:
        found = steps.master(master)
        conform, analysis = steps.reference(found, policy)
        with asked_to_stop() as stop:
            decided = steps.ladder(found, conform, analysis, policy, effort, stop)
        if other is not None:
            from encoder.engine.comparing import compare

            comparison = compare(
                steps,
                found,
                conform,
                analysis,
                decided,
                policy,
                other,
                effort,
            )
    if plot is not None:
        from encoder.report.plot import save_ladder_plot

        save_ladder_plot(decided, plot)
    if other is not None:
        from encoder.cli.comparison_table import print_comparison
        from encoder.report.compare_document import comparison_document

        if as_json:
            say_json(comparison_document(comparison))
        else:
            print_comparison(comparison)
    elif explained:
        explanations = explain(decided, analysis.shots)
        if as_json:
            say_json(explanation_document(explanations))
        else:
            print_ladder(decided)
            print_explanations(explanations)
    elif as_json:
        say_json(ladder_document(decided))
    else:
        print_ladder(decided)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C since; a second time interrupts as ever."""
    asked = False
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)
        click.echo("deciding by what is known; Ctrl-C again interrupts", err=True)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
