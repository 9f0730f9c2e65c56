"""Pictures for finding one's way in a title: thumbnails, and the poster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Pictures of a title at equal distances, laid out in sheets of a grid, row by row.

    Picture ``n`` shows frame ``n * every``. ``width`` and ``height`` are those of one picture, in
    pixels; every sheet has ``columns`` by ``rows`` of them, the last one what is left, and black.
    ``sheets`` are JPEG files, in order.
    """

    width: int
    height: int
    columns: int
    rows: int
    every: int
    count: int
    sheets: tuple[Path, ...]

    @property
    def sheet_size(self) -> tuple[int, int]:
        """Pixels of a sheet."""
        return self.width * self.columns, self.height * self.rows

    @property
    def on_sheet(self) -> int:
        """How many pictures a full sheet has."""
        return self.columns * self.rows

    def interval(self, frame_rate: Fraction) -> Fraction:
        """How long a picture stands for, in seconds."""
        return self.every / frame_rate


@dataclass(frozen=True, slots=True)
class Poster:
    """The picture that stands for the title: a reference frame as a JPEG file."""

    frame: int
    width: int
    height: int
    path: Path


@dataclass(frozen=True, slots=True)
class DenseFrames:
    """Pictures of a title at equal distances as a video of key frames alone, to scrub with.

    Picture ``n`` shows frame ``n * every``. ``path`` is an MP4 file of H.264.
    """

    width: int
    height: int
    every: int
    count: int
    path: Path


@dataclass(frozen=True, slots=True)
class Pictures:
    """What was made; each is None where the policy does not want it."""

    thumbnails: Thumbnails | None = None
    poster: Poster | None = None
    dense: DenseFrames | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files."""
        sheets = self.thumbnails.sheets if self.thumbnails else ()
        single = [one.path for one in (self.poster, self.dense) if one is not None]
        return (*sheets, *single)

    def moved(self, move: Callable[[Path], Path]) -> Pictures:
        """The same, with its files elsewhere."""
        sheets, poster, dense = self.thumbnails, self.poster, self.dense
        return Pictures(
            sheets and replace(sheets, sheets=tuple(move(one) for one in sheets.sheets)),
            poster and replace(poster, path=move(poster.path)),
            dense and replace(dense, path=move(dense.path)),
        )


NO_PICTURES = Pictures()
