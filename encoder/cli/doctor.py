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
    from rich.text import Text

    from encoder.cli.tables import console, table
    from encoder.engine.doctor import examine

    findings = examine(ffmpeg)
    good = all(one.ok or not one.required for one in findings)
    if as_json:
        listed = [
            {
                "name": one.name,
                "ok": one.ok,
                "required": one.required,
                "found": one.found,
                "needed_for": one.needed_for,
                "mend": one.mend,
            }
            for one in findings
        ]
        say_json("encoder.doctor/1", {"ok": good, "findings": listed})
    else:
        made = table("", "", "", "found", "for")
        made.show_header = False
        for one in findings:
            mark = "ok" if one.ok else "MISSING" if one.required else "without"
            made.add_row(mark, one.name, Text(one.found), Text(one.needed_for))
        out = console()
        out.print(made)
        for one in findings:
            if not one.ok:
                out.print(Text(f"{one.name}: {one.mend}"))
        out.print(Text("Everything the main job needs is here." if good else "Not ready."))
    return ExitCode.OK if good else ExitCode.ENVIRONMENT
