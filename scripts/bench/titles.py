"""Titles of several shots, joined from a folder of clips: what benchmarks decide ladders for."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.probe.probe import probe

WIDTH, HEIGHT, RATE = 1280, 720, 25
SUFFIXES = {".mp4", ".mkv", ".mov", ".mpg", ".webm", ".ts", ".m4v", ".avi"}


@dataclass(frozen=True, slots=True)
class Title:
    """A benchmark title: its file and what it was made of."""

    path: Path
    clips: tuple[str, ...]


def make_titles(clips: Path, count: int, seconds: float, parts: int, folder: Path) -> list[Title]:
    """Joins clips into titles; the same clips give the same titles."""
    names = sorted(p for p in clips.iterdir() if p.suffix.lower() in SUFFIXES)
    usable = [p for p in names if _seconds(p) >= 1.2]
    if len(usable) < parts:
        raise SystemExit(f"at least {parts} clips of 1.2 s or more are needed in {clips}")
    chooser = random.Random(7)
    deck: list[Path] = []
    titles = []
    for number in range(count):
        while len(deck) < parts:
            fresh = usable[:]
            chooser.shuffle(fresh)
            deck += [p for p in fresh if p not in deck]
        chosen, deck = deck[:parts], deck[parts:]
        path = folder / f"title-{number + 1}-{seconds:g}s.mp4"
        if not path.exists():
            _join(chosen, seconds, path)
        titles.append(Title(path, tuple(p.name for p in chosen)))
    return titles


def _seconds(path: Path) -> float:
    try:
        return float(probe(path, locate(), digest="").video.duration)
    except Exception as error:  # a benchmark takes what it can read of a folder of odd clips
        sys.stderr.write(f"left out: {path.name}: {type(error).__name__}\n")
        return 0.0


def _join(clips: Sequence[Path], seconds: float, path: Path) -> None:
    frames = round(seconds * RATE / len(clips))
    arguments, chains = [], []
    for number, clip in enumerate(clips):
        arguments += ["-stream_loop", "-1", "-i", f"file:{clip}"]
        chains.append(
            f"[{number}:v:0]fps={RATE},scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=increase,"
            f"crop={WIDTH}:{HEIGHT},setsar=1,format=yuv420p,trim=end_frame={frames},"
            f"setpts=N/({RATE}*TB)[p{number}]"
        )
    joined = "".join(f"[p{n}]" for n in range(len(clips))) + f"concat=n={len(clips)}[out]"
    draft = path.with_suffix(".part.mp4")
    arguments += ["-filter_complex", ";".join([*chains, joined]), "-map", "[out]"]
    arguments += ["-c:v", "libx264", "-crf", "12", "-preset", "fast", "-an", "-y", f"file:{draft}"]
    run(locate(), arguments, folder=path.parent)
    draft.rename(path)
