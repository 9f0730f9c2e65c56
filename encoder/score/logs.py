"""What FFmpeg's metric filters write, read strictly into arrays.

A log that is short of a column, a frame or a number is refused: a score that is made of part of the
frames would pass for one of all of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import MeasureError

#: PSNR of a frame that is identical to its reference, in dB, and the most any frame counts.
PSNR_CAP = 100.0


@dataclass(frozen=True, slots=True)
class VmafLog:
    """Frame indices (int32, shape ``(n,)``) and their VMAF (float64, shape ``(n,)``, 0 to 100)."""

    frame: NDArray[np.int32]
    vmaf: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PictureLog:
    """Frame indices, PSNR of each plane in dB, and SSIM: arrays of shape ``(n,)``.

    PSNR is at most :data:`PSNR_CAP`. ``ssim`` is that of the luma plane, as in the paper that
    defines it (Wang et al. 2004); FFmpeg's figure for all planes is not used.
    """

    frame: NDArray[np.int32]
    psnr_y: NDArray[np.float64]
    psnr_u: NDArray[np.float64]
    psnr_v: NDArray[np.float64]
    ssim: NDArray[np.float64]


def read_vmaf(path: Path) -> VmafLog:
    """Reads the CSV log of FFmpeg's ``libvmaf`` filter (``log_fmt=csv``).

    Raises:
        MeasureError: when it cannot be read, lacks the columns ``Frame`` or ``vmaf``, or holds
            something that is not a finite number.
    """
    frames, columns = read_table(path, ("vmaf",))
    return VmafLog(frames, columns["vmaf"])


# The keys that the filters psnr and ssim attach to each frame.
_PICTURE_KEYS = {
    "lavfi.psnr.psnr.y": "psnr_y",
    "lavfi.psnr.psnr.u": "psnr_u",
    "lavfi.psnr.psnr.v": "psnr_v",
    "lavfi.ssim.Y": "ssim",
}


def read_pictures(path: Path) -> PictureLog:
    """Reads what ``psnr,ssim,metadata=mode=print`` wrote; a frame's timestamp is its index.

    The filters' own ``stats_file`` is not used because it rounds the mean squared error to two
    decimals, which is off by half a decibel for a near-perfect frame, and names no timestamp.

    Raises:
        MeasureError: when it cannot be read, a frame lacks a value, or a value is not a number.
    """
    frames, columns = read_values(path, _PICTURE_KEYS)
    return PictureLog(frame=frames, **columns)


def read_values(
    path: Path, keys: Mapping[str, str]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.float64]]]:
    """Frame indices and values that ``metadata=mode=print`` wrote; a timestamp is an index.

    Args:
        path: the log.
        keys: which values to read, and what to call them. Those whose name begins with ``psnr`` or
            ``xpsnr`` are decibels: infinite ones count :data:`PSNR_CAP`.

    Raises:
        MeasureError: when it cannot be read, a frame lacks a value, or a value is not a number.
    """
    frames: list[int] = []
    columns: dict[str, list[float]] = {name: [] for name in keys.values()}
    for line in _lines(path):
        if line.startswith("frame:"):
            frames.append(_index(path, _field(line, "pts:")))
            continue
        key, _, text = line.partition("=")
        name = keys.get(key)
        if name is None:
            continue
        read = _decibels if name.startswith(("psnr", "xpsnr")) else _finite
        columns[name].append(read(path, name, text))
        if len(columns[name]) != len(frames):
            where = f"frame {frames[-1]}" if frames else "no frame"
            raise _broken(path, f"{name} is there {len(columns[name])} times at {where}")
    for name, values in columns.items():
        if len(values) != len(frames):
            raise _broken(path, f"{len(values)} values of {name} for {len(frames)} frames")
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return _frames(path, frames), arrays


def read_table(
    path: Path, names: Sequence[str]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.float64]]]:
    """Columns of libvmaf's CSV log, by name; a name may lack the options that libvmaf adds to it.

    Raises:
        MeasureError: as :func:`read_vmaf`.
    """
    rows = list(csv.reader(_lines(path)))
    header = rows[0] if rows else []
    places = {}
    for name in names:
        exact = [i for i, column in enumerate(header) if column == name]
        like = [i for i, column in enumerate(header) if column.startswith(f"{name}_")]
        if not (exact or like):
            raise _broken(path, f"it lacks the column {name}")
        places[name] = (exact or like)[0]
    if "Frame" not in header:
        raise _broken(path, "it lacks the column Frame")
    number = header.index("Frame")
    frames: list[int] = []
    columns: dict[str, list[float]] = {name: [] for name in names}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise _broken(path, f"line {line} has {len(row)} columns, not {len(header)}")
        frames.append(_index(path, row[number]))
        for name, place in places.items():
            columns[name].append(_finite(path, name, row[place]))
    return _frames(path, frames), {n: np.array(v, np.float64) for n, v in columns.items()}


def count_frames(path: Path) -> int:
    """How many frames passed a ``metadata=mode=print`` filter that wrote this file."""
    return sum(line.startswith("frame:") for line in _lines(path))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path, str(error)) from error


def _frames(path: Path, frames: list[int]) -> NDArray[np.int32]:
    if any(later <= earlier for earlier, later in pairwise(frames)):
        raise _broken(path, "its frames are not in order")
    return np.array(frames, dtype=np.int32)


def _field(line: str, name: str) -> str:
    """``12`` of ``frame:3    pts:12      pts_time:0.5`` for the name ``pts:``."""
    for part in line.split():
        if part.startswith(name):
            return part.removeprefix(name)
    return ""


def _index(path: Path, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _broken(path, f"{text!r} is not a frame index")
    return int(text)


def _decibels(path: Path, name: str, text: str) -> float:
    value = PSNR_CAP if text == "inf" else _finite(path, name, text)
    return min(value, PSNR_CAP)


def _finite(path: Path, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _broken(path, f"{text!r} is not a value of {name}")
    return value


def _broken(path: Path, why: str) -> MeasureError:
    return MeasureError(
        "A metric's log cannot be used",
        where=path.name,
        why=why,
        hint="Measure again; if it stays so, leave out --ffmpeg and ENCODER_FFMPEG to use the "
        "FFmpeg that came with the install",
    )
