"""Confirms that files decode to the very pictures that were measured before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoder.errors import MeasureError
from encoder.ffmpeg.checksums import Checksums, read_checksums
from encoder.ffmpeg.graph import file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run


@dataclass(frozen=True, slots=True)
class Measured:
    """A file, and checksums of the pictures that were measured: one a frame of the title."""

    id: str
    path: Path
    checksums: Checksums


def confirm(
    ffmpeg: Ffmpeg,
    files: Sequence[Measured],
    keyframes: Sequence[int],
    *,
    every_frame: bool,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Decodes files and compares their pictures with those that were measured.

    Args:
        ffmpeg: the program.
        files: what to decode, in one process.
        keyframes: the key frames of all of them.
        every_frame: whether all frames are decoded, or the key frames only.
        on_progress: called with the number of frames done.

    Returns:
        How many frames of each file were compared.

    Raises:
        MeasureError: when a file cannot be decoded, or one of its pictures is another.
    """
    if not files:
        return 0
    with tempfile.TemporaryDirectory(prefix="encoder-confirm-") as name:
        folder = Path(name)
        arguments: list[str] = []
        for one in files:
            arguments += ["-protocol_whitelist", PROTOCOLS]
            arguments += [] if every_frame else ["-skip_frame", "nokey"]
            arguments += ["-i", file_url(one.path)]
        for number in range(len(files)):
            arguments += ["-map", f"{number}:v:0", "-fps_mode", "passthrough"]
            arguments += ["-f", "framecrc", f"file:{number}.crc"]
        try:
            run(
                ffmpeg,
                arguments,
                folder=folder,
                on_progress=None if on_progress is None else lambda p: on_progress(p.frame),
            )
            found = [read_checksums(folder / f"{number}.crc") for number in range(len(files))]
        except (ProcessFailed, ValueError) as error:
            raise MeasureError(
                "The package could not be decoded to confirm its scores",
                where=str(files[0].path.parent),
                why=error.reason if isinstance(error, ProcessFailed) else str(error),
                hint="Run the same command again; if it stays so, run `encoder doctor`",
            ) from error
    for one, pictures in zip(files, found, strict=True):
        _compare(one, pictures, keyframes, every_frame)
    return len(found[0])


def _compare(
    one: Measured, pictures: Checksums, keyframes: Sequence[int], every_frame: bool
) -> None:
    frames = np.arange(len(one.checksums)) if every_frame else np.array(keyframes)
    expected = one.checksums[frames]
    if np.array_equal(pictures, expected):
        return
    if len(pictures) != len(expected):
        why = f"{len(expected)} pictures were measured, {len(pictures)} came out of the package"
    else:
        why = f"the first that differs is frame {frames[np.flatnonzero(pictures != expected)[0]]}"
    raise MeasureError(
        "The package does not decode to the pictures that were measured",
        where=one.id,
        why=why,
        hint="Run `encoder cache verify`, then the same command again",
    )
