"""Makes packages of made-up media, in a moment and of any length: their boxes and manifests are
real, their samples start as those of H.264 and AAC do and are empty otherwise.

Files are sparse: a title of two hours in ten rungs takes no more disk than its headers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from encoder.media.colour import BT709
from encoder.media.package import Package, Packaging
from encoder.media.pictures import Pictures, Poster, Thumbnails
from encoder.media.renditions import (
    AudioRendition,
    Loudness,
    Rendition,
    RenditionSet,
    TextRendition,
)
from encoder.package.cursor import Box
from encoder.package.manifests import write_manifests
from encoder.package.sample_entry import SampleEntry
from encoder.text.webvtt import Cue, render

if TYPE_CHECKING:
    import pytest

FRAME_RATE = Fraction(24)
TICKS = 24000
FRAME = 1000
SAMPLE_RATE = 48000
ACCESS_UNIT = 1024

_SYNC, _NON_SYNC = 0x02000000, 0x01010000


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung: ``level`` is H.264's, times ten; ``gops`` are the frames of each fragment; ``iframe``
    is how many bytes its first sample has for each of the others. ``frame`` are a frame's ticks;
    the last six fragments are ``late`` times as large. ``edit`` are the ticks that an edit list
    skips, ``signed`` is whether composition offsets may be negative. ``scheme`` and ``pattern`` are
    of its encryption. A ``transfer`` of 0 leaves the colour out."""

    id: str
    width: int
    height: int
    bitrate: int
    score: float
    gops: tuple[int, ...]
    level: int = 31
    profile: int = 100
    coding: str = "avc1"
    transfer: int = 1
    iframe: int = 2
    frame: int = FRAME
    late: int = 1
    edit: int = 0
    signed: bool = False
    scheme: str = ""
    pattern: int = 0x19


@dataclass(frozen=True, slots=True)
class Sound:
    """A stereo AAC track; ``gops`` are the access units of each fragment."""

    id: str
    language: str
    bitrate: int
    gops: tuple[int, ...]
    default: bool = False


@dataclass(frozen=True, slots=True)
class Subtitle:
    """A WebVTT track: from when to when each of its cues is shown, in seconds."""

    id: str
    language: str
    times: tuple[tuple[int, int], ...]
    roles: tuple[str, ...] = ("subtitle",)


@dataclass(frozen=True, slots=True)
class Title:
    """What to make a package of."""

    rungs: tuple[Rung, ...]
    sounds: tuple[Sound, ...]
    segment_seconds: Fraction = Fraction(6)
    scored: bool = field(default=True)
    text: tuple[Subtitle, ...] = ()


def u32(value: int) -> bytes:
    """Four bytes."""
    return struct.pack(">I", value)


def box(kind: str, *parts: bytes) -> bytes:
    """A box."""
    payload = b"".join(parts)
    return struct.pack(">I4s", 8 + len(payload), kind.encode()) + payload


def full(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    """A full box."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def title(seconds: int = 12) -> Title:
    """Four rungs and two languages, with a key frame every second: no rule has anything to say."""
    gops = (24,) * seconds
    units = [round(Fraction(n * SAMPLE_RATE, ACCESS_UNIT)) for n in range(seconds)]
    units.append(-(-seconds * SAMPLE_RATE // ACCESS_UNIT))
    sound = tuple(b - a for a, b in pairwise(units))
    return Title(
        (
            Rung("h264-720p-1", 1280, 720, 2_000_000, 93.5, gops),
            Rung("h264-720p-2", 1280, 720, 1_100_000, 86.25, gops),
            Rung("h264-360p-3", 640, 360, 400_000, 71.0, gops, level=30),
            Rung("h264-180p-4", 320, 180, 90_000, 42.0, gops, level=12),
        ),
        (
            Sound("en-2ch", "en", 64_000, sound, default=True),
            Sound("fr-2ch", "fr", 64_000, sound),
        ),
    )


def make(into: Path, what: Title, lenient: pytest.MonkeyPatch | None = None) -> Package:
    """Writes the package into an empty folder.

    Args:
        into: the folder.
        what: the title.
        lenient: takes away what keeps packaging from making wrong packages.
    """
    if lenient is not None:
        lenient.setattr("encoder.package.manifests.check_aligned", lambda *_: None)
        lenient.setattr("encoder.package.boxes._check_index", lambda *_: None)
        lenient.setattr("encoder.package.sample_entry._visual", _any_coding)
    for kind in ("video", "audio"):
        (into / kind).mkdir(parents=True)
    video = []
    for rung in what.rungs:
        path = into / "video" / f"{rung.id}.mp4"
        _write(path, _video_header(rung), TICKS, _video_runs(rung), rung.signed)
        starts = [sum(rung.gops[:n]) for n in range(len(rung.gops))]
        frames = sum(rung.gops)
        video.append(
            Rendition(
                rung.id, "h264", rung.width, rung.height, FRAME_RATE, frames, tuple(starts),
                BT709, path,
            )
        )  # fmt: skip
    audio = []
    for sound in what.sounds:
        path = into / "audio" / f"{sound.id}.mp4"
        _write(path, _audio_header(sound), SAMPLE_RATE, _audio_runs(sound))
        name = {"en": "English", "fr": "Français"}.get(sound.language, sound.language)
        audio.append(
            AudioRendition(
                sound.id, "aac", sound.language, name, 2, SAMPLE_RATE, sound.default, (),
                Loudness(None, None, None), 0.0, path,
            )
        )  # fmt: skip
    text = []
    for words in what.text:
        path = into / "text" / f"{words.id}.vtt"
        path.parent.mkdir(exist_ok=True)
        cues = [Cue(Fraction(a), Fraction(b), f"{words.id} {a}") for a, b in words.times]
        path.write_text(render(cues), encoding="utf-8")
        text.append(
            TextRendition(
                words.id, words.language, words.id, False, words.roles, len(cues), "subrip", path
            )
        )
    scores: Mapping[str, float] | None = None
    if what.scored:
        scores = {rung.id: rung.score for rung in what.rungs}
    frames = video[0].frames
    pictures = _pictures(into, frames)
    renditions = RenditionSet(tuple(video), tuple(audio), FRAME_RATE, frames, pictures, tuple(text))
    return write_manifests(
        renditions, into, Packaging(segment_seconds=what.segment_seconds), scores=scores
    )


def jpeg(width: int, height: int) -> bytes:
    """A JPEG picture with nothing in it: its frame, and empty tables and scan."""
    head = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    parts = ((0xDB, bytes(65)), (0xC4, bytes(17)), (0xC0, head), (0xDA, bytes(10)))
    made = (struct.pack(">BBH", 0xFF, kind, 2 + len(data)) + data for kind, data in parts)
    return b"\xff\xd8" + b"".join(made) + b"\0\xff\xd9"


def _pictures(into: Path, frames: int) -> Pictures:
    """A thumbnail every second, or every ten of a long title, in sheets of four by two."""
    every = 24 if frames < 24 * 60 else 240
    count = -(-frames // every)
    (into / "images").mkdir()
    sheets = tuple(into / "images" / f"thumbnails-{n + 1:03d}.jpg" for n in range(-(-count // 8)))
    for sheet in sheets:
        sheet.write_bytes(jpeg(4 * 320, 2 * 180))
    poster = into / "images" / "poster.jpg"
    poster.write_bytes(jpeg(1280, 720))
    return Pictures(Thumbnails(320, 180, 4, 2, every, count, sheets), Poster(48, 1280, 720, poster))


@dataclass(frozen=True, slots=True)
class _Fragment:
    """Sizes of the samples, how long each lasts, and the first bytes of the first."""

    sizes: tuple[int, ...]
    duration: int
    head: bytes
    all_sync: bool


def _video_runs(rung: Rung) -> list[_Fragment]:
    made: dict[tuple[int, int], _Fragment] = {}
    hevc = rung.coding in ("hvc1", "hev1")
    keys = [
        (frames, rung.late if number >= len(rung.gops) - 6 else 1)
        for number, frames in enumerate(rung.gops)
    ]
    for frames, times in keys:
        if (frames, times) not in made:
            each = times * rung.bitrate * frames // 24 // 8 // (frames - 1 + rung.iframe)
            sizes = (each * rung.iframe, *[each] * (frames - 1))
            head = struct.pack(">IB", sizes[0] - 4, 0x26 if hevc else 0x65)
            made[frames, times] = _Fragment(sizes, rung.frame, head, False)
    return [made[key] for key in keys]


def _audio_runs(sound: Sound) -> list[_Fragment]:
    size = sound.bitrate * ACCESS_UNIT // SAMPLE_RATE // 8
    return [_Fragment((size,) * count, ACCESS_UNIT, b"", True) for count in sound.gops]


def _write(
    path: Path, header: bytes, timescale: int, runs: Sequence[_Fragment], signed: bool = False
) -> None:
    moofs, decode = [], 0
    for number, run in enumerate(runs, 1):
        moofs.append(_moof(number, decode, run, signed))
        decode += run.duration * len(run.sizes)
    references = b"".join(
        struct.pack(
            ">III",
            len(moof) + 8 + sum(run.sizes),
            run.duration * len(run.sizes),
            0x90000000,
        )
        for moof, run in zip(moofs, runs, strict=True)
    )
    index = struct.pack(">IIQQHH", 1, timescale, 0, 0, 0, len(runs)) + references
    with path.open("xb") as file:
        file.write(header + full("sidx", 1, 0, index))
        for moof, run in zip(moofs, runs, strict=True):
            size = 8 + sum(run.sizes)
            file.write(moof + struct.pack(">I4s", size, b"mdat") + run.head)
            file.seek(size - 8 - len(run.head), 1)
        file.truncate()


def _moof(number: int, decode: int, run: _Fragment, signed: bool) -> bytes:
    default = _SYNC if run.all_sync else _NON_SYNC
    flags = 0x201 | (0 if run.all_sync else 0x04)
    first = b"" if run.all_sync else struct.pack(">I", _SYNC)
    table = first + struct.pack(f">{len(run.sizes)}I", *run.sizes)
    if signed:
        flags |= 0x800
        table = first + b"".join(struct.pack(">II", size, 0) for size in run.sizes)

    def build(place: int) -> bytes:
        traf = full("tfhd", 0, 0x020028, struct.pack(">III", 1, run.duration, default))
        traf += full("tfdt", 1, 0, struct.pack(">Q", decode))
        traf += full("trun", int(signed), flags, struct.pack(">Ii", len(run.sizes), place), table)
        return box("moof", full("mfhd", 0, 0, struct.pack(">I", number)), box("traf", traf))

    return build(len(build(0)) + 8)


def _header(handler: str, timescale: int, language: str, entry: bytes, edits: bytes = b"") -> bytes:
    packed = 0
    for letter in language:
        packed = packed << 5 | ord(letter) - 0x60
    mdia = box(
        "mdia",
        full("mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, packed, 0)),
        full("hdlr", 0, 0, bytes(4), handler.encode(), bytes(13)),
        box("minf", box("stbl", full("stsd", 0, 0, struct.pack(">I", 1), entry))),
    )
    tkhd = full("tkhd", 0, 7, struct.pack(">III", 0, 0, 1), bytes(68))
    trex = full("trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))
    moov = box(
        "moov", full("mvhd", 0, 0, bytes(96)), box("trak", tkhd, edits, mdia), box("mvex", trex)
    )
    return box("ftyp", b"iso6", bytes(4), b"iso6cmfcdash") + moov


def _video_header(rung: Rung) -> bytes:
    sps = bytes((0x67, rung.profile, 0, rung.level)) + rung.id.encode()
    record = bytes((1, rung.profile, 0, rung.level, 0xFF, 0xE1))
    record += struct.pack(">H", len(sps)) + sps + struct.pack(">BH", 1, 4) + b"\x68\xee\x3c\x80"
    head = bytes(6) + struct.pack(">H", 1) + bytes(16)
    head += struct.pack(">HHIIIH", rung.width, rung.height, 0x480000, 0x480000, 0, 1)
    head += bytes(32) + struct.pack(">Hh", 24, -1)
    colour = b"nclx" + struct.pack(">HHHB", 1, rung.transfer, 1, 0)
    inside = box("avcC", record)
    if rung.coding in ("hvc1", "hev1"):
        general = bytes((1, 2)) + struct.pack(">I", 0x20000000) + b"\xb0" + bytes(5)
        inside = box("hvcC", general + bytes((rung.level,)) + bytes(8) + b"\x0f\x00")
    if rung.transfer:
        inside += box("colr", colour)
    if rung.scheme:
        tenc = full("tenc", 1, 0, bytes((0, rung.pattern, 1, 8)), bytes(16))
        scheme = full("schm", 0, 0, rung.scheme.encode(), u32(0x10000))
        inside += box("sinf", box("frma", rung.coding.encode()), scheme, box("schi", tenc))
    kind = "encv" if rung.scheme else rung.coding
    entry = box(kind, head, inside)
    edit = full("elst", 0, 0, struct.pack(">IIiI", 1, 0, rung.edit, 0x10000))
    return _header("vide", TICKS, "und", entry, box("edts", edit) if rung.edit else b"")


def _any_coding(entry: Box) -> SampleEntry:
    """What packaging would say of a coding that it does not package."""
    return SampleEntry("avc1.64001f", width=1280, height=720)


def _audio_header(sound: Sound) -> bytes:
    config = b"\x05\x02\x11\x90"
    decoder = b"\x04" + bytes((13 + len(config),)) + b"\x40\x15" + bytes(11) + config
    stream = b"\x03" + bytes((3 + len(decoder),)) + b"\x00\x01\x00" + decoder
    head = bytes(6) + struct.pack(">H", 1) + bytes(8)
    head += struct.pack(">HHII", 2, 16, 0, SAMPLE_RATE << 16)
    entry = box("mp4a", head, full("esds", 0, 0, stream))
    languages = {"en": "eng", "fr": "fra"}
    return _header("soun", SAMPLE_RATE, languages.get(sound.language, "und"), entry)
