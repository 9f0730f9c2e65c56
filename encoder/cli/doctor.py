"""``encoder doctor``: what this machine can do for us, and how to mend what it cannot."""

from __future__ import annotations

import click

from encoder.cli.options import json_option, say_json
from encoder.errors import ExitCode


@click.command("doctor")
@click.option("--ffmpeg", metavar="PATH|NAME", help="The FFmpeg to look at.")
@json_option
@click.pass_context
def command(ctx: click.Context, ffmpeg: str | None, as_json: bool) -> int:
    """Say what this machine's FFmpeg can and cannot do for us.

    Exit status 3 when something that the main job needs is missing.
    """
    from encoder.cli.tables import print_findings
    from encoder.engine.doctor import doctor_document, examine, ready

    findings = examine(ffmpeg)
    good = ready(findings)
    if as_json:
        say_json(doctor_document(findings))
    else:
        print_findings(findings, good=good)
    return ExitCode.OK if good else ExitCode.ENVIRONMENT
