"""``encoder preview``: a package in a browser."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoder.cli.options import Common, any_path, common_options, json_option, pipeline, say_json
from encoder.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from encoder.media.protection import ContentKey
    from encoder.preview.data import Shown


@click.command("preview")
@click.argument("path", metavar="OUT", type=any_path)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; any by default.")
@click.option(
    "--master",
    type=any_path,
    help="The master to compare with, if it is not where the report says.",
)
@click.option(
    "--protect",
    type=any_path,
    metavar="KEYFILE",
    help="The keys of an encrypted package: the file that it was protected with.",
)
@click.option("--open/--no-open", "opens", default=True, help="Whether to open a browser.")
@json_option
@common_options
def command(
    path: Path,
    port: int,
    master: Path | None,
    protect: Path | None,
    opens: bool,
    as_json: bool,
    common: Common,
) -> int:
    """Play the package in OUT in a browser, beside its master and its scores.

    It is served to this machine alone, until Ctrl-C. The page needs no network.

    \b
    encoder preview out/
    encoder preview out/ --port 8080 --no-open
    encoder preview out/ --protect out.keys.yaml
    """
    from encoder.preview.data import read_shown
    from encoder.preview.frames import MasterFrames
    from encoder.preview.server import PreviewServer, Site, licensed
    from encoder.report.verbs import preview_document

    shown = read_shown(path)
    keys = _keys(shown, protect)
    if master is not None:
        if not shown.frames:
            raise UsageError(
                "There is nothing to compare the master with",
                where=str(path),
                why="the package has no report, which says how the master's frames become its own",
                hint="Leave out --master, or preview what `encoder ingest` made",
            )
        shown = replace(shown, master=master)
    with pipeline(common) as steps:
        frames = MasterFrames(steps, shown)
        site = licensed(shown, frames.picture, keys) if keys else Site(shown, frames.picture)
        with PreviewServer(site, port) as server:
            if as_json:
                say_json(preview_document(server.url, server.server_port))
            else:
                click.echo(server.url)
            sys.stdout.flush()
            if opens and _has_screen():
                click.launch(server.url)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                click.echo("encoder: the preview has ended", err=True)
    return ExitCode.OK


def _keys(shown: Shown, protect: Path | None) -> tuple[ContentKey, ...]:
    """The keys of a package; none where it is not encrypted.

    Raises:
        UsageError: when it cannot be played, and why.
    """
    from encoder.engine.keys import key_file_of, read_keys

    if not shown.encrypted:
        return ()
    where = str(shown.folder)
    if not shown.kids:
        raise UsageError(
            "The package cannot be played here",
            where=where,
            why="it is encrypted, and its playlists name no keys for ClearKey",
            hint="Package it with `systems: [clearkey]` among its systems to look at it",
        )
    if protect is None:
        beside = key_file_of(shown.folder.absolute())
        name = str(beside) if beside.is_file() else "KEYFILE"
        raise UsageError(
            "The package is encrypted",
            where=where,
            why="without its keys there is nothing to see",
            hint=f"Give the file that it was protected with: `--protect {name}`",
        )
    found = {one.kid: one for one in read_keys(protect).keys}
    if missing := [kid.hex() for kid in shown.kids if kid not in found]:
        raise UsageError(
            "The keys are not those of the package",
            where=str(protect),
            why=f"it has none for {missing[0]}",
            hint="Give the file that it was protected with",
        )
    return tuple(found[kid] for kid in shown.kids)


def _has_screen() -> bool:
    """Whether a browser would have somewhere to show; one for terminals would take this one."""
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
