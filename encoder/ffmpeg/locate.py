"""Which FFmpeg is used, and what it can do: asked of the binary, never assumed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from encoder.errors import MachineError

ENVIRONMENT_VARIABLE = "ENCODER_FFMPEG"


@dataclass(frozen=True, slots=True)
class Ffmpeg:
    """An FFmpeg program: its path, version as it prints it, and where the choice came from.

    ``build`` stands for all that it says of how it was built, libraries and options as well: two
    builds of one version may have other encoders, and need not give the same.
    """

    path: Path
    version: str
    origin: str
    build: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a binary was built with, as it says itself."""

    encoders: frozenset[str]
    filters: frozenset[str]
    muxers: frozenset[str]
    loopback_decoders: bool

    def missing(
        self, *, encoders: tuple[str, ...] = (), filters: tuple[str, ...] = ()
    ) -> list[str]:
        """Those of the named encoders and filters that it lacks."""
        return [f"encoder {e}" for e in encoders if e not in self.encoders] + [
            f"filter {f}" for f in filters if f not in self.filters
        ]


def locate(choice: str | None = None) -> Ffmpeg:
    """The FFmpeg to use.

    Args:
        choice: a path, or a name to look up on PATH; by default the environment variable
            ENCODER_FFMPEG of the same form, or else the one that came with the install.

    Raises:
        MachineError: when it is not there, or does not run.
    """
    if choice:
        return _named(choice, "--ffmpeg")
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
    if from_environment:
        return _named(from_environment, ENVIRONMENT_VARIABLE)
    try:
        import imageio_ffmpeg

        path = Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MachineError(
            "No FFmpeg came with the install",
            why=str(error),
            hint="Reinstall with `pip install --force-reinstall imageio-ffmpeg`, or name another "
            f"one with --ffmpeg or {ENVIRONMENT_VARIABLE}",
        ) from error
    return _program(path, "installed with encoder")


def _named(choice: str, origin: str) -> Ffmpeg:
    found = shutil.which(choice) if os.sep not in choice else choice
    if found is None or not Path(found).is_file():
        raise MachineError(
            "FFmpeg not found",
            where=choice,
            why=f"{origin} names it, and there is no such program",
            hint="Give the path of an FFmpeg program or a name on PATH, or leave it out to use the "
            "one that came with the install",
        )
    return _program(Path(found).absolute(), origin)


def _ask(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [str(path), "-nostdin", "-hide_banner", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(
            "FFmpeg does not run",
            where=str(path),
            why=str(error),
            hint="Choose another one with --ffmpeg, or leave that out to use the one that came "
            "with the install",
        ) from error
    return done.stdout.decode("utf-8", "replace")


def _program(path: Path, origin: str) -> Ffmpeg:
    version, build = _version(path)
    return Ffmpeg(path, version, origin, build)


@lru_cache(maxsize=8)
def _version(path: Path) -> tuple[str, str]:
    """The version, and the version with a digest of all that it says with it."""
    text = _ask(path, "-version")
    found = re.match(r"ffmpeg version (\S+)", text)
    if found is None:
        raise MachineError(
            "Not an FFmpeg program",
            where=str(path),
            why="it does not answer -version as FFmpeg does",
            hint="Give the path of the ffmpeg program itself",
        )
    version = found.group(1)
    return version, f"{version} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=8)
def capabilities(ffmpeg: Ffmpeg) -> Capabilities:
    """What the binary can do.

    Raises:
        MachineError: when it does not answer.
    """
    return Capabilities(
        encoders=_names(_ask(ffmpeg.path, "-encoders")),
        filters=_names(_ask(ffmpeg.path, "-filters")),
        muxers=_names(_ask(ffmpeg.path, "-muxers")),
        # Loopback decoders (-dec) came with FFmpeg 7, that is libavutil 59; the release number
        # itself is not in the version of builds made from git.
        loopback_decoders=_libavutil(_ask(ffmpeg.path, "-version")) >= 59,
    )


def _libavutil(text: str) -> int:
    found = re.search(r"^libavutil\s+(\d+)\.", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _names(listing: str) -> frozenset[str]:
    """The second column of FFmpeg's listings, below their legend."""
    legend, _, rest = listing.partition("---\n")
    body = rest or legend
    names = set()
    for line in body.splitlines():
        columns = line.split()
        if len(columns) >= 2:
            names.add(columns[1])
    return frozenset(names)
