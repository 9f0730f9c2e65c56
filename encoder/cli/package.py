"""``encoder package``: renditions to a package."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import click

from encoder.cli.options import Common, any_path, common_options, json_option, pipeline, say_json
from encoder.errors import UsageError


@click.command("package")
@click.argument("renditions", type=any_path)
@click.option("-o", "--output", type=any_path, required=True, help="Folder of the package.")
@click.option(
    "--segment-seconds",
    default="6",
    show_default=True,
    metavar="S",
    help="How long a segment is about; it consists of whole groups of pictures.",
)
@json_option
@common_options
def command(
    renditions: Path, output: Path, segment_seconds: str, as_json: bool, common: Common
) -> None:
    """Package RENDITIONS, a folder that `encoder encode` made, as CMAF for HLS and DASH.

    \b
    encoder package renditions/ -o out/
    """
    from encoder.cli.tables import print_package
    from encoder.engine.folders import read_renditions
    from encoder.engine.proof import prove
    from encoder.engine.publish import check_destination, publish, read_published, staging
    from encoder.report.verbs import package_document, published_package

    try:
        length = Fraction(segment_seconds)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            "--segment-seconds is not a number", where=segment_seconds, hint="Give 6, or 4.5"
        ) from None
    if not 1 <= length <= 30:
        raise UsageError("--segment-seconds must be between 1 and 30", where=segment_seconds)
    check_destination(output, (renditions,))
    found = read_renditions(renditions)
    source = read_published(renditions)
    with pipeline(common) as steps, staging(output) as folder:
        made = replace(steps.package(found, folder, length), path=output)
        prove(folder)
        digest = source.master_digest if source else ""
        publish(folder, output, "", digest, published_package(made))
    if as_json:
        say_json(package_document(made))
    else:
        print_package(made, output)
