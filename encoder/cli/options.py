"""Options that several verbs share, and what they amount to."""

from __future__ import annotations

import functools
import logging
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from encoder.errors import UsageError

if TYPE_CHECKING:
    from encoder.engine.interruption import Interruption
    from encoder.engine.pipeline import Pipeline
    from encoder.engine.request import Outcome, Request
    from encoder.engine.steps import Steps
    from encoder.media.package import Layout
    from encoder.media.policy import Policy
    from encoder.text.sidecar import Sidecar

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound="Steps")

# Whether a path can be read or written is found out by whoever does so, who can say what to do.
any_path = click.Path(readable=False, path_type=Path)

master_argument = click.argument("master", type=any_path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
policy_option = click.option(
    "--policy",
    "policy_name",
    metavar="NAME|FILE",
    default="per-title",
    show_default=True,
    help="A policy that comes with encoder, or a YAML file.",
)
codec_option = click.option(
    "--codec", metavar="h264|av1", help="Another codec than the policy names."
)
preset_option = click.option("--preset", metavar="P", help="Another preset than the policy names.")
effort_option = click.option(
    "--effort",
    type=click.Choice(("instant", "quick", "standard", "thorough", "exhaustive")),
    default="standard",
    show_default=True,
    help="How much to spend on the decision: from no trial encodes to all there are.",
)


subtitles_option = click.option(
    "--subtitles",
    nargs=2,
    multiple=True,
    type=(str, any_path),
    metavar="LANGUAGE[:TRAIT...] FILE",
    help="Subtitles of a file beside the master, such as `--subtitles en:sdh film.srt`; traits are "
    "sdh, forced, commentary and default. May be given several times.",
)

protect_option = click.option(
    "--protect",
    metavar="KEYFILE|generate",
    help="Encrypt video and audio with the keys of a file, ours or CPIX; generate makes new ones, "
    "into a file beside OUTPUT that only you can read.",
)


clear_lead_option = click.option(
    "--clear-lead",
    metavar="SECONDS",
    help="Leave the segments that start within these first seconds clear, so that playing begins "
    "before a licence is there; with --protect.",
)


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A number of bytes: ``1500M``, ``8G``; powers of 1024."""

    name = "size"
    _UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}  # noqa: RUF012

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.I)
        if found is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is not a size: give one such as 1500M or 8G", param, ctx)
        return int(float(found[1]) * self._UNITS[found[2].upper()])


def together(
    argument: str,
    make: Callable[..., object],
    names: Sequence[str],
    options: Sequence[Callable[[F], F]],
) -> Callable[[F], F]:
    """A decorator that adds several options, given to the function as one value.

    Args:
        argument: what the function calls that value.
        make: makes it of the options' values, by their names.
        names: the options' names.
        options: click's decorators, in the order in which ``--help`` shows them.
    """

    def decorate(function: F) -> F:
        # click's own list of parameters comes along.
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            value = make(**{name: kwargs.pop(name) for name in names})
            return function(*args, **{argument: value}, **kwargs)

        decorated = cast(F, wrapped)
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


@dataclass(frozen=True, slots=True)
class Common:
    """What every verb that runs FFmpeg takes."""

    ffmpeg: str | None
    jobs: int | None
    memory: int | None
    events: Path | None
    quiet: bool
    verbose: bool


# Adds the options of :class:`Common`, given to the function as ``common``.
common_options = together(
    "common",
    Common,
    tuple(field.name for field in fields(Common)),
    (
        click.option(
            "--ffmpeg",
            metavar="PATH|NAME",
            help="Another FFmpeg than the one that came with the install: a path, or a name on "
            "PATH. ENCODER_FFMPEG does the same.",
        ),
        click.option(
            "--memory",
            type=Size(),
            metavar="SIZE",
            help="What all processes together should stay under, such as 1500M or 8G.  "
            "[default: 1.5 GiB for each at a time, at most half of the machine's]",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, 256),
            default=None,
            help="FFmpeg processes at a time.  [default: one for every four cores, as far as "
            "there is memory]",
        ),
        click.option(
            "--events",
            type=any_path,
            metavar="FILE",
            help="Write what goes on as NDJSON; - is standard error.",
        ),
        click.option("-q", "quiet", is_flag=True, help="Say nothing but the result and errors."),
        click.option("-v", "verbose", is_flag=True, help="Show the FFmpeg commands."),
    ),
)


def pipeline(common: Common) -> AbstractContextManager[Pipeline]:
    """The pipeline that the options ask for, rendered while it runs."""
    from encoder.engine.pipeline import Pipeline

    return _running(common, Pipeline)


def first_steps(common: Common) -> AbstractContextManager[Steps]:
    """The same for verbs that encode nothing, which need not load what encodes."""
    from encoder.engine.steps import Steps

    return _running(common, Steps)


@contextmanager
def _running(common: Common, make: type[S]) -> Iterator[S]:
    from encoder.cli.render import Renderer
    from encoder.engine.interruption import Interruption
    from encoder.engine.resources import Resources, cores
    from encoder.engine.store import Store, default_root
    from encoder.ffmpeg.locate import locate

    if common.quiet and common.verbose:
        raise UsageError("-q and -v contradict each other")
    if common.verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    jobs = common.jobs or max(1, cores() // 4)
    interruption = Interruption()
    store = Store(default_root())
    try:
        with Renderer(quiet=common.quiet, events=common.events) as renderer, asking(interruption):
            yield make(
                locate(common.ffmpeg),
                store,
                renderer,
                jobs,
                resources=Resources(common.jobs, common.memory),
                interruption=interruption,
            )
    finally:
        store.close()


def nothing_to_do(common: Common, request: Request) -> Outcome | None:
    """The outcome of an ingest whose package is there already, which is told of."""
    from encoder.cli.render import Renderer
    from encoder.engine.events import Notice
    from encoder.engine.request import up_to_date
    from encoder.engine.store import Store, default_root
    from encoder.ffmpeg.locate import locate

    store = Store(default_root())
    try:
        outcome = up_to_date(store, locate(common.ffmpeg), request)
    finally:
        store.close()
    if outcome is not None:
        with Renderer(quiet=common.quiet, events=common.events) as renderer:
            renderer(Notice("info", f"{request.output} is up to date: nothing was done"))
    return outcome


@contextmanager
def asking(interruption: Interruption) -> Iterator[None]:
    """Ctrl-C once asks work that can be drained to stop; otherwise, and twice, it interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        if not interruption.ask():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _layout(segments: Literal["ranges", "files"], names: Literal["plain", "hash"]) -> Layout:
    from encoder.media.package import Layout

    return Layout(segments, names)


# Adds --segments and --names, given to the function as ``layout``.
layout_options = together(
    "layout",
    _layout,
    ("segments", "names"),
    (
        click.option(
            "--segments",
            type=click.Choice(("ranges", "files")),
            default="ranges",
            show_default=True,
            help="One file a track, whose segments are byte ranges, or a file a segment.",
        ),
        click.option(
            "--names",
            type=click.Choice(("plain", "hash")),
            default="plain",
            show_default=True,
            help="How media files are named; with hash what lies behind an address never changes, "
            "so that it may be cached for ever.",
        ),
    ),
)


def load(policy_name: str, codec: str | None, preset: str | None) -> Policy:
    """The policy that the options name."""
    from encoder.ladder.policy import load_policy

    return load_policy(policy_name, codec=codec, preset=preset)


def sidecars(subtitles: Sequence[tuple[str, Path]]) -> tuple[Sidecar, ...]:
    """The files that --subtitles names.

    Raises:
        UsageError: when what is said of one is no language, or a trait that is not known.
    """
    from encoder.media.languages import UNDETERMINED, bcp_47
    from encoder.text.sidecar import Sidecar
    from encoder.text.tracks import TRAITS

    made = []
    for said, path in subtitles:
        language, *traits = said.split(":")
        tag = bcp_47(language)
        dropped = tag.count("-") != language.count("-")
        if dropped or (tag == UNDETERMINED and language != UNDETERMINED):
            raise UsageError(
                "--subtitles needs a language",
                where=said,
                why=f"{language!r} is no language tag",
                hint="Give `--subtitles en FILE`, or und where it is not known",
            )
        if unknown := [one for one in traits if one not in TRAITS]:
            raise UsageError(
                "--subtitles has a trait that is not known",
                where=said,
                why=f"{unknown[0]!r} is none of {', '.join(TRAITS)}",
                hint="Give `--subtitles en:sdh FILE`, for example",
            )
        made.append(Sidecar(path, tag, tuple(dict.fromkeys(traits))))
    return tuple(made)


def say_json(document: dict[str, Any]) -> None:
    """Prints one JSON object to standard output: as UTF-8, whatever the locale says."""
    from encoder.report.plain import json_text

    click.echo(json_text(document).encode(), nl=False)
