"""``encoder probe``: what a master is."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.options import (
    Common,
    common_options,
    first_steps,
    json_option,
    load,
    master_argument,
    policy_option,
    say_json,
)


@click.command("probe")
@master_argument
@policy_option
@json_option
@common_options
def command(master: Path, policy_name: str, as_json: bool, common: Common) -> None:
    """Say what MASTER is, and what would be done to its pictures.

    \b
    encoder probe master.mov
    encoder probe master.mov --json | jq .video.frame_rate
    """
    from encoder.cli.master_table import print_master
    from encoder.report.verbs import probe_document

    policy = load(policy_name, None, None)
    with first_steps(common) as steps:
        found = steps.master(master)
        conform = steps.conform(found, policy)
    if as_json:
        say_json(probe_document(found, conform))
    else:
        print_master(found, conform)
