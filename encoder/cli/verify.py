"""``encoder verify``: a package against the rules."""

from __future__ import annotations

from pathlib import Path

import click

from encoder.cli.options import any_path, json_option, say_json
from encoder.errors import ExitCode


@click.command("verify")
@click.argument("path", type=any_path)
@click.option("--strict", is_flag=True, help="Fail on a broken should as well.")
@click.option(
    "--dash-schema",
    "schema",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="ENCODER_DASH_SCHEMA",
    help="DASH-MPD.xsd, to validate the MPD against as well; needs lxml. ENCODER_DASH_SCHEMA does "
    "the same.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the verdict as JUnit XML too; - is standard output, instead of the table.",
)
@click.option("--rules", is_flag=True, help="Show the rules that were kept as well.")
@json_option
def command(
    path: Path, strict: bool, schema: Path | None, junit: Path | None, rules: bool, as_json: bool
) -> int:
    """Check PATH against the rules for HLS, CMAF and DASH.

    PATH is the folder of a package, a playlist (multivariant or media) or an MPD, whoever made it.
    Media are not decoded: what is checked is what the files show of themselves.

    \b
    encoder verify out/
    encoder verify out/master.m3u8 --strict
    encoder verify out/ --junit verdict.xml

    Exit status 1 when a must is broken, with --strict also when a should is.
    """
    from encoder.cli.verdict_table import print_verdict
    from encoder.verify.document import junit_xml, verdict_document
    from encoder.verify.verify import verify

    if as_json and str(junit) == "-":
        raise click.UsageError("--json and --junit - both want standard output")
    verdict = verify(path, schema=schema)
    if junit is not None:
        text = junit_xml(verdict, strict=strict)
        if str(junit) == "-":
            click.echo(text.encode(), nl=False)
        else:
            _write(junit, text)
    if as_json:
        say_json(verdict_document(verdict, strict=strict))
    elif str(junit) != "-":
        print_verdict(verdict, strict=strict, every=rules)
    return ExitCode.OK if verdict.passed(strict=strict) else ExitCode.VERDICT


def _write(path: Path, text: str) -> None:
    from encoder.errors import MachineError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(
            "The JUnit file cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            hint="Choose another file",
        ) from error
