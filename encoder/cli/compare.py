"""``encoder compare``: a run against its baseline, with gates."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.comparison_output import Output, compare_and_say, exit_code, output_options
from encoder.cli.options import Common, any_path, common_options, json_option


@click.command("compare")
@click.argument("baseline", type=any_path)
@click.argument("candidate", type=any_path)
@output_options
@json_option
@common_options
def command(baseline: Path, candidate: Path, output: Output, as_json: bool, common: Common) -> int:
    """Compare CANDIDATE with BASELINE: packages, their report.json, folders of packages, or a file
    of `encoder baseline save`.

    Exit status 1 when a gate failed. A failed gate names the shot and the frame that lost most;
    --report shows them.

    \b
    encoder compare before/ after/
    encoder compare before/ after/ --report compare.html
    encoder compare baseline.json after/ --gates gates.yaml --junit junit.xml
    """
    return exit_code(compare_and_say(baseline, candidate, output, common, as_json=as_json))
