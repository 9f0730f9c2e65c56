"""``encoder analyze``: the shots of a master."""

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


@click.command("analyze")
@master_argument
@policy_option
@json_option
@common_options
def command(master: Path, policy_name: str, as_json: bool, common: Common) -> None:
    """Find the shots of MASTER and how hard each is to compress.

    \b
    encoder analyze master.mov
    encoder analyze master.mov --json > shots.json
    """
    from encoder.cli.tables import print_analysis
    from encoder.report.verbs import analysis_document

    policy = load(policy_name, None, None)
    with pipeline(common) as steps:
        found = steps.master(master)
        _, analysis = steps.reference(found, policy)
    if as_json:
        say_json(analysis_document(analysis))
    else:
        print_analysis(analysis)
