"""The step that makes subtitles: the master's own and those of files beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from encoder.engine.steps import Steps
from encoder.errors import MasterError
from encoder.media.conform import Conform
from encoder.media.languages import UNDETERMINED, bcp_47
from encoder.media.master import Master
from encoder.media.renditions import TextRendition
from encoder.report.text import some
from encoder.text.captions import has_captions, read_captions
from encoder.text.embedded import read_embedded
from encoder.text.sidecar import Sidecar, digest, read_sidecar
from encoder.text.tracks import label, roles, traits
from encoder.text.webvtt import Subtitles, render, within


@dataclass(frozen=True, slots=True)
class _Made:
    """Tracks before they have names, and what was to be said."""

    tracks: tuple[TextRendition, ...]
    warnings: tuple[str, ...]


def make_text(
    steps: Steps,
    master: Master | None,
    conform: Conform | None,
    duration: Fraction,
    sidecars: Sequence[Sidecar],
    there: Sequence[TextRendition] = (),
) -> tuple[TextRendition, ...]:
    """The subtitles of a title as WebVTT files in the store.

    Args:
        steps: the store, and who is told.
        master: its streams come first, then captions in its video; None for sidecars alone.
        conform: says which time in the master is that of the first frame.
        duration: of the video, in seconds; what comes later is cut off.
        sidecars: further tracks, in their order.
        there: tracks that there are already, which come before.

    Raises:
        MasterError: when a sidecar cannot be read, is malformed, or has nothing for this title.
    """
    found = list(there)
    embedded = master if master is not None and master.text else None
    captioned = master if master is not None and has_captions(master) else None
    if embedded is None and captioned is None and not sidecars:
        return tuple(found)
    with steps.stage("text") as running:
        cached = []
        common = {"av": version("av"), "duration": duration}
        if embedded is not None and conform is not None:
            offset = conform.audio_offset
            inputs = {**common, "digest": embedded.digest, "offset": offset}

            def work(folder: Path) -> _Made:
                return _embedded(embedded, offset, duration, folder)

            cached.append(_take(steps, inputs, work, found))
        if captioned is not None and conform is not None:
            start = conform.audio_offset
            ttconv = version("ttconv")
            inputs = {**common, "captions": captioned.digest, "offset": start, "ttconv": ttconv}

            def work_captions(folder: Path) -> _Made:
                return _captions(captioned, start, duration, folder)

            cached.append(_take(steps, inputs, work_captions, found))
        for one in sidecars:
            said = [one.language, list(one.traits)]
            inputs = {
                **common,
                "ttconv": version("ttconv"),
                "sidecar": digest(one),
                "said": said,
                # What is said of it names it.
                "path": os.fsencode(one.path).hex(),
            }

            def work_file(folder: Path, one: Sidecar = one) -> _Made:
                return _sidecar(one, duration, folder)

            cached.append(_take(steps, inputs, work_file, found))
        running.cached = all(cached)
        running.detail = (
            f"{some(len(found), 'track')}, {some(sum(one.cues for one in found), 'cue')}"
        )
    return tuple(found)


def _take(
    steps: Steps,
    inputs: dict[str, object],
    work: Callable[[Path], _Made],
    found: list[TextRendition],
) -> bool:
    made, entry, was_there = steps.cached("text", inputs, _Made, work)
    for warning in made.warnings:
        steps.warn(warning)
    for one in made.tracks:
        ids, names = [other.id for other in found], [other.name for other in found]
        identifier, name = label(one.language, one.roles, ids, names)
        found.append(replace(one, id=identifier, name=name, path=entry.folder / one.path))
    return was_there


def _embedded(master: Master, offset: Fraction, duration: Fraction, folder: Path) -> _Made:
    said: list[str] = []
    tracks: list[TextRendition] = []
    for stream, subtitles in read_embedded(master, offset, said.append):
        shown = within(subtitles, duration)
        if not shown.cues:
            said.append(f"Subtitle stream {stream.index} has no text while there are pictures")
            continue
        track = _track(bcp_47(stream.language), traits(stream), shown, stream.codec, stream.index)
        tracks.append(_write(folder, len(tracks), track, shown))
    return _Made(tuple(tracks), tuple(said))


def _captions(master: Master, offset: Fraction, duration: Fraction, folder: Path) -> _Made:
    found = read_captions(master, offset)
    if found is None:
        said = "The closed captions in the video cannot be understood, and are left out"
        return _Made((), (said,))
    shown = within(found, duration)
    if not shown.cues:
        return _Made((), ())
    # They are of what is heard, and do not say in which language.
    language = bcp_47(master.audio[0].language) if master.audio else UNDETERMINED
    track = _track(language, ("sdh",), shown, "eia_608", master.video.index)
    return _Made((_write(folder, 0, track, shown),), ())


def _sidecar(one: Sidecar, duration: Fraction, folder: Path) -> _Made:
    said: list[str] = []
    origin, subtitles = read_sidecar(one, said.append)
    shown = within(subtitles, duration)
    if not shown.cues:
        what = "they come after its end" if subtitles.cues else "there are none in it"
        raise MasterError(
            "The subtitles are not of this title",
            where=str(one.path),
            why=f"of their {len(subtitles.cues)} none is shown in {float(duration):.3f} s: {what}",
            hint="Give times that count from the first picture",
        )
    if lost := len(subtitles.cues) - len(shown.cues):
        said.append(
            f"{one.path}: {lost} subtitles come after the end of the title, and are left out"
        )
    track = _track(bcp_47(one.language), one.traits, shown, origin, None)
    return _Made((_write(folder, 0, track, shown),), tuple(said))


def _track(
    language: str, said: Sequence[str], shown: Subtitles, origin: str, source: int | None
) -> TextRendition:
    return TextRendition(
        id="",
        language=language,
        name="",
        default="default" in said,
        roles=roles(said),
        cues=len(shown.cues),
        origin=origin,
        path=Path(),
        source=source,
    )


def _write(folder: Path, number: int, track: TextRendition, shown: Subtitles) -> TextRendition:
    path = folder / f"{number}.vtt"
    path.write_text(render(shown.cues, shown.blocks), encoding="utf-8", newline="\n")
    return replace(track, path=Path(path.name))
