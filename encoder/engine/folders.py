"""Reading and writing what verbs hand to each other as files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from encoder.engine.publish import cannot_write, publish, staging
from encoder.errors import PackageError, UsageError, unreadable
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder
from encoder.media.master import Master
from encoder.media.renditions import RenditionSet
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.report.plain import json_text
from encoder.report.verbs import LADDER_SCHEMA, RENDITIONS_SCHEMA, renditions_document

RENDITIONS = "renditions.json"


def read_ladder(path: Path, conform: Conform, analysis: Analysis) -> Ladder:
    """A ladder that ``encoder ladder --json`` wrote, checked against the title.

    Raises:
        UsageError: when the file is not one, or is of a title of another shape.
    """
    data = _read_object(path, LADDER_SCHEMA, "a ladder")
    try:
        ladder = from_plain(data, Ladder)
    except ValueError as error:
        raise UsageError("Not a ladder", where=str(path), why=str(error)) from error
    hint = "Decide it anew with `encoder ladder MASTER --json`"
    if not ladder.rungs:
        raise UsageError("The ladder has no rungs", where=str(path), hint=hint)
    if ladder.frame_rate != conform.frame_rate:
        raise UsageError(
            "The ladder is of another title",
            where=str(path),
            why=f"its frame rate is {ladder.frame_rate}, the master's {conform.frame_rate}",
            hint=hint,
        )
    for rung in ladder.rungs:
        if rung.crf_per_shot and len(rung.crf_per_shot) != len(analysis.shots):
            raise UsageError(
                "The ladder is of another title",
                where=str(path),
                why=f"rung {rung.id} has CRFs for {len(rung.crf_per_shot)} shots, the master has "
                f"{len(analysis.shots)}",
                hint=hint,
            )
        if rung.width > conform.width or rung.height > conform.height:
            raise UsageError(
                "The ladder is of another title",
                where=str(path),
                why=f"rung {rung.id} is larger than the master",
                hint=hint,
            )
        if Path(rung.id).name != rung.id or rung.id.startswith("."):
            raise UsageError("A rung's id is not a file name", where=f"{path}: {rung.id}")
    return ladder


def save_renditions(renditions: RenditionSet, master: Master, output: Path) -> dict[str, Any]:
    """Publishes renditions as a folder of MP4 files with ``renditions.json``.

    Returns:
        The ``encoder.renditions/1`` document.

    Raises:
        MachineError: when the folder cannot be written.
    """
    with staging(output) as folder:
        video, audio = [], []
        try:
            for one in renditions.video:
                shutil.copyfile(one.path, folder / f"{one.id}.mp4")
                video.append(replace(one, path=Path(f"{one.id}.mp4")))
            for track in renditions.audio:
                shutil.copyfile(track.path, folder / f"{track.id}.mp4")
                audio.append(replace(track, path=Path(f"{track.id}.mp4")))
            text = []
            for words in renditions.text:
                shutil.copyfile(words.path, folder / f"{words.id}.vtt")
                text.append(replace(words, path=Path(f"{words.id}.vtt")))
            for picture in renditions.pictures.files:
                shutil.copyfile(picture, folder / picture.name)
            own = replace(
                renditions,
                video=tuple(video),
                audio=tuple(audio),
                text=tuple(text),
                pictures=renditions.pictures.moved(lambda path: Path(path.name)),
            )
            document = renditions_document(own)
            (folder / RENDITIONS).write_text(json_text(document), encoding="utf-8")
        except OSError as error:
            raise cannot_write(output, error) from error
        listed = [{"id": one.id, "path": one.path.name} for one in own.video]
        publish(folder, output, "", master.digest, {"renditions": listed})
    return document


def read_renditions(folder: Path) -> RenditionSet:
    """The renditions of a folder that ``encoder encode`` wrote.

    Raises:
        PackageError: when it is not one, may not be read, or a file of it is missing.
    """
    path = folder / RENDITIONS
    try:
        there = path.is_file()
    except OSError as error:
        raise PackageError(
            "The folder may not be read",
            where=str(folder),
            why=error.strerror or str(error),
            hint="Ask its owner for permission (chmod +rx), or run as another user",
        ) from error
    if not there:
        raise PackageError(
            "Not a folder of renditions",
            where=str(folder),
            why=f"it has no {RENDITIONS}",
            hint="Make one with `encoder encode MASTER -o FOLDER`",
        )
    data = _read_object(path, RENDITIONS_SCHEMA, "a list of renditions")
    try:
        found = from_plain(data, RenditionSet)
    except ValueError as error:
        raise PackageError("Not a list of renditions", where=str(path), why=str(error)) from error
    video = tuple(replace(one, path=folder / one.path.name) for one in found.video)
    audio = tuple(replace(one, path=folder / one.path.name) for one in found.audio)
    text = tuple(replace(one, path=folder / one.path.name) for one in found.text)
    pictures = found.pictures.moved(lambda path: folder / path.name)
    tracks = (*(v.path for v in video), *(a.path for a in audio), *(t.path for t in text))
    for path in (*tracks, *pictures.files):
        if not path.is_file():
            raise PackageError("A rendition is missing", where=str(path))
    return replace(found, video=video, audio=audio, text=text, pictures=pictures)


def _read_object(path: Path, schema: str, what: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    # A few thousand brackets are more than the parser goes down.
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"Cannot read {what}", where=str(path), why=unreadable(error)) from error
    found = data.pop("schema", None) if isinstance(data, dict) else None
    if found != schema:
        raise UsageError(
            f"Not {what}",
            where=str(path),
            why=f"its schema is {found!r}, expected {schema!r}",
        )
    return dict(data)
