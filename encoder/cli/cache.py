"""``encoder cache``: what the store holds, and getting rid of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from encoder.cli.options import Size, json_option, say_json
from encoder.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from encoder.engine.cache import Item
    from encoder.engine.store import Store

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class Age(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A time span in seconds: ``12h``, ``30d``, ``8w``."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", str(value).strip(), re.I)
        if found is None:
            self.fail(f"{value!r} is not an age: give one such as 12h, 30d or 8w", param, ctx)
        return float(found[1]) * _SECONDS[found[2].lower()]


@click.group("cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Look after the store of finished steps.

    \b
    encoder cache size
    encoder cache prune --unused 30d --to 20G
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the entries, those last used first."""
    from encoder.engine.cache import cache_document, items

    with _store() as store:
        found = items(store)
        if as_json:
            say_json(cache_document("list", store, found))
            return
        for one in found:
            click.echo(f"{_date(one.used)}  {_size(one.bytes):>9}  {one.step:<11}  {one.key}")


@command.command("size")
@json_option
def size(as_json: bool) -> None:
    """Say how much the store holds."""
    from encoder.engine.cache import cache_document, items

    with _store() as store:
        found = items(store)
        if as_json:
            say_json(cache_document("size", store, found))
            return
        for step in sorted({one.step for one in found}):
            own = [one for one in found if one.step == step]
            click.echo(f"{step:<11}  {len(own):>6}  {_sum(own):>9}")
        click.echo(f"{store.root}: {len(found)} entries, {_sum(found)}")


@command.command("prune")
@click.option("--unused", type=Age(), metavar="AGE", help="Remove what was not used for so long.")
@click.option("--to", "most", type=Size(), metavar="SIZE", help="Then the longest unused, to this.")
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
@json_option
def prune_(unused: float | None, most: int | None, everything: bool, as_json: bool) -> None:
    """Remove entries, by age and to a size.

    \b
    encoder cache prune --unused 30d
    encoder cache prune --to 20G
    """
    from encoder.engine.cache import cache_document, items, prune

    if (unused, most) == (None, None) and not everything:
        raise UsageError("Nothing says what to prune", hint="Give --unused, --to or --all")
    with _store() as store:
        gone = prune(store, unused_seconds=unused, most_bytes=0 if everything else most)
        left = items(store)
        if as_json:
            say_json(cache_document("prune", store, left, removed=gone))
            return
        click.echo(f"{len(gone)} entries removed, {_sum(gone)}; {_sum(left)} are left")


@command.command("verify")
@json_option
def verify_(as_json: bool) -> int:
    """Read everything, and remove what is damaged; it is made again when it is needed.

    Exit status 1 when something was.
    """
    from encoder.engine.cache import cache_document, items, verify

    with _store() as store:
        damaged = verify(store)
        left = items(store)
        removed = [one.item for one in damaged]
        if as_json:
            say_json(cache_document("verify", store, left, removed=removed, damaged=damaged))
        else:
            for one in damaged:
                click.echo(f"damaged and removed: {one.item.step} {one.item.key}: {one.why}")
            click.echo(f"{len(left)} entries are whole, {_sum(left)}")
    return ExitCode.VERDICT if damaged else ExitCode.OK


@contextmanager
def _store() -> Iterator[Store]:
    from encoder.engine.store import Store, default_root

    store = Store(default_root())
    try:
        yield store
    finally:
        store.close()


def _sum(found: Sequence[Item]) -> str:
    return _size(sum(one.bytes for one in found))


def _size(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.1f} GB"


def _date(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
