"""What the page shows beside the player: rungs, shots, and quality over time."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.errors import PackageError
from encoder.report.plain import number

# Enough for the widest screen; a curve of every frame of a film would be megabytes.
_POINTS = 2400
_LARGEST_REPORT = 256 << 20
_LARGEST_PLAYLIST = 16 << 20
_FRAME_RATE = re.compile(
    r"^#EXT-X-STREAM-INF:.*\bFRAME-RATE=(\d{1,3}(?:\.\d{1,6})?)\b", re.ASCII | re.MULTILINE
)
# As packages of ours name a key for hls.js: 16 bytes, in base64.
_CLEARKEY = re.compile(r';base64,([A-Za-z0-9+/]{22}==)",KEYFORMAT="org\.w3\.clearkey"')


@dataclass(frozen=True, slots=True)
class Shown:
    """A package to be shown.

    ``document`` is what the page gets. ``master`` is the master's path as the report has it, None
    without a report; ``policy`` and ``digest`` say what its reference pictures are of.
    ``encrypted`` is whether its tracks are, ``kids`` are the identifiers of the keys that it names
    for ClearKey.
    """

    folder: Path
    document: dict[str, Any]
    master: Path | None
    policy: str
    digest: str
    frames: int
    encrypted: bool = False
    kids: tuple[bytes, ...] = ()


def read_shown(target: Path) -> Shown:
    """What is to be shown of a package: a folder, or its multivariant playlist.

    Raises:
        PackageError: when it is none, or its report is damaged.
    """
    folder, playlist = (target, "master.m3u8") if target.is_dir() else (target.parent, target.name)
    if not (folder / playlist).is_file() or not playlist.endswith(".m3u8"):
        raise PackageError(
            "Not a package that can be played",
            where=str(target),
            why=f"there is no playlist {playlist} in it",
            hint="Give the folder that `encoder ingest` or `encoder package` has made",
        )
    text = _text(folder / playlist)
    encrypted, kids = _keys(text)
    report = _report(folder)
    if report is None:
        plain = {"title": folder.resolve().name, "hls": playlist, "renditions": [], "shots": []}
        rate = _frame_rate(text)
        told = None if rate is None else [rate.numerator, rate.denominator]
        document = {**plain, "frames": 0, "frame_rate": told}
        return Shown(folder, document, None, "", "", 0, encrypted, kids)
    try:
        return replace(_shown(folder, playlist, report), encrypted=encrypted, kids=kids)
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ZeroDivisionError,
    ) as error:
        raise PackageError(
            "The report of the package is damaged",
            where=str(folder / "report.json"),
            why=f"{type(error).__name__}: {error}",
            hint="Make the package again, or remove the report to play without it",
        ) from error


def _text(playlist: Path) -> str:
    try:
        with playlist.open("rb") as file:
            return file.read(_LARGEST_PLAYLIST).decode("utf-8", "replace")
    except OSError as error:
        raise PackageError(
            "The playlist of the package cannot be read", where=str(playlist), why=str(error)
        ) from error


def _frame_rate(text: str) -> Fraction | None:
    """The highest frame rate that a multivariant playlist declares, exactly; None without."""
    declared = [Fraction(found) for found in _FRAME_RATE.findall(text)]
    rate = max(declared, default=Fraction(0))
    whole = round(rate)
    # Three decimals stand for it: 23.976 is 24000/1001.
    near = (Fraction(whole), Fraction(whole * 1000, 1001), rate)
    exact = next(one for one in near if abs(one - rate) < Fraction(1, 1000))
    return exact or None


def _keys(text: str) -> tuple[bool, tuple[bytes, ...]]:
    """Whether a package is encrypted, and the keys that its playlist names for ClearKey."""
    lines = [line for line in text.splitlines() if line.startswith("#EXT-X-SESSION-KEY:")]
    named = [match[1] for line in lines if (match := _CLEARKEY.search(line))]
    return bool(lines), tuple(base64.b64decode(one) for one in dict.fromkeys(named))


def _report(folder: Path) -> dict[str, Any] | None:
    path = folder / "report.json"
    try:
        if path.stat().st_size > _LARGEST_REPORT:
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PackageError(
            "The report of the package cannot be read", where=str(path), why=str(error)
        ) from error
    return data if isinstance(data, dict) else None


def _shown(folder: Path, playlist: str, report: dict[str, Any]) -> Shown:
    conform = report["conform"]
    frames = int(conform["frames"])
    rate = Fraction(conform["frame_rate"])
    document = {
        "title": Path(report["master"]["path"]).name,
        "hls": playlist,
        "frames": frames,
        # Two integers: 30000/1001 is no number of a page.
        "frame_rate": [rate.numerator, rate.denominator],
        "width": int(conform["width"]),
        "height": int(conform["height"]),
        "shots": [int(shot["start"]) for shot in report["shots"]],
        "renditions": [_rendition(folder, one, frames) for one in report["renditions"]],
    }
    return Shown(
        folder,
        document,
        Path(report["master"]["path"]),
        str(report["ladder"]["policy"]),
        str(report["master"]["digest"]),
        frames,
    )


def _rendition(folder: Path, one: dict[str, Any], frames: int) -> dict[str, Any]:
    scores = one["scores"]
    shown: dict[str, Any] = {
        "id": str(one["id"]),
        "width": int(one["width"]),
        "height": int(one["height"]),
        "average_bitrate": int(one["average_bitrate"]),
        "peak_bitrate": int(one["peak_bitrate"]),
        "vmaf": None,
        "curve": None,
        "worst": [],
    }
    if scores is None:
        return shown
    shown["vmaf"] = scores["vmaf"]["mean"]
    # Paths of a report are its own only as long as they stay in the package.
    path = (folder / scores["per_frame"]).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return shown
    with np.load(path, allow_pickle=False) as arrays:
        numbers = np.asarray(arrays["frame"], dtype=np.int64)
        vmaf = np.asarray(arrays["vmaf"], dtype=np.float64)
    shown["curve"] = curve(numbers, vmaf, frames)
    order = np.argsort(vmaf, kind="stable")
    shown["worst"] = _apart(numbers[order].tolist(), 12, max(1, frames // 50))
    return shown


def curve(
    numbers: NDArray[np.int64], values: NDArray[np.float64], frames: int
) -> dict[str, list[float | int | None]]:
    """Values over time in at most 2400 steps: the first frame of each, its mean and its least."""
    step = max(1, -(-frames // _POINTS))
    bucket = numbers // step
    first = np.flatnonzero(np.diff(bucket, prepend=-1))
    counts = np.diff(first, append=len(numbers))
    means = np.add.reduceat(values, first) / counts
    lows = np.minimum.reduceat(values, first)
    return {
        "frame": numbers[first].tolist(),
        "mean": [number(value) for value in means],
        "low": [number(value) for value in lows],
    }


def _apart(numbers: list[int], most: int, distance: int) -> list[int]:
    """The first numbers that are not near one that came before."""
    kept: list[int] = []
    for one in numbers:
        if all(abs(one - other) >= distance for other in kept):
            kept.append(one)
        if len(kept) == most:
            break
    return kept
