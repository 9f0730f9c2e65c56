"""Makes CMAF track files: FFmpeg rewraps, the byte layout is decided here.

FFmpeg writes initialisation and fragments. Its segment index leaves the kind of access point open,
and it can cut audio only at a constant length, so the index of every track and the fragments of
audio are written here.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.languages import iso_639_2
from encoder.media.package import Fragment
from encoder.package.boxes import Movie, Run

# Ticks a second of a whole frame rate, so that times stay fine enough for any player to round.
_TICKS_PER_FRAME = 1000
# Only bounds FFmpeg's memory: audio fragments are cut again.
_AUDIO_FRAGMENT_MICROSECONDS = 10_000_000

# The edit list, which takes out the delay of B-frames and of the audio encoder, is known once the
# first packets have been seen. CMAF allows negative composition offsets for the former instead
# (FFmpeg's movflag cmaf), but FFmpeg itself, and with it many a player, presents those late.
_MOVFLAGS = "+delay_moov+default_base_moof+skip_trailer"
# Edition 6 of the file format, CMAF, and a file that indexes its own segments for DASH.
_BRANDS = ("iso6", "cmfc", "dash")
# Codings whose binding wants a brand of its own.
_CODING_BRANDS = ("av01",)

# starts_with_SAP, SAP_type 1: decodes alone, in order (ISO/IEC 14496-12 Annex I).
_ACCESS_POINT = 0x90000000
# The count is a 16-bit number.
_MOST_REFERENCES = 0xFFFF
# default-base-is-moof; default duration and flags are given.
_TFHD_FLAGS = 0x020000 | 0x08 | 0x20
# sample_depends_on 2: it does not depend on others; a sync sample.
_INDEPENDENT = 0x02000000
_TRUN_DATA_OFFSET, _TRUN_DURATIONS, _TRUN_SIZES = 0x01, 0x100, 0x200


def video_timescale(frame_rate: Fraction) -> int:
    """Ticks a second in which every frame lasts a whole number of ticks."""
    if frame_rate.numerator < _TICKS_PER_FRAME:
        return frame_rate.numerator * _TICKS_PER_FRAME
    return frame_rate.numerator


def rewrap_video(ffmpeg: Ffmpeg, source: Path, target: Path, frame_rate: Fraction) -> None:
    """Rewraps the video of a file into fragments, one a key frame, without a segment index.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    options = ["-video_track_timescale", str(video_timescale(frame_rate))]
    options += ["-movflags", f"{_MOVFLAGS}+frag_keyframe"]
    _rewrap(ffmpeg, source, target, "v", options)


def rewrap_audio(ffmpeg: Ffmpeg, source: Path, target: Path, language: str) -> None:
    """Rewraps the audio of a file into fragments of any length, without a segment index.

    What the encoder put before the first sample is kept, and left out by an edit list: without it
    the decoder could not rebuild the first samples.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    options = ["-metadata:s:a:0", f"language={iso_639_2(language)}"]
    options += ["-frag_duration", str(_AUDIO_FRAGMENT_MICROSECONDS), "-movflags", _MOVFLAGS]
    _rewrap(ffmpeg, source, target, "a", options)


def _rewrap(ffmpeg: Ffmpeg, source: Path, target: Path, kind: str, options: list[str]) -> None:
    arguments = ["-protocol_whitelist", PROTOCOLS, "-i", f"file:{source.absolute()}"]
    arguments += ["-map", f"0:{kind}:0", "-c", "copy"]
    # Nothing of the machine or the day in the file: the same input gives the same bytes.
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]
    arguments += [f"-flags:{kind}", "+bitexact", "-write_tmcd", "0"]
    arguments += [*options, "-f", "mp4", f"file:{target.absolute()}"]
    try:
        run(ffmpeg, arguments)
    except ProcessFailed as failure:
        raise PackageError(
            "A rendition could not be packaged",
            where=str(source),
            why=failure.reason,
            hint="The file is damaged or of another kind; encode it anew",
        ) from failure


def write_as_is(source: Path, movie: Movie, target: Path) -> None:
    """Writes a track with an index before its fragments, which stay as they are."""
    track = movie.track
    with source.open("rb") as old, target.open("xb") as new:
        new.write(_header(old, movie))
        new.write(_index(movie, track.fragments))
        old.seek(track.fragments[0].offset)
        shutil.copyfileobj(old, new, 1 << 20)


def write_recut(source: Path, movie: Movie, target: Path, starts: Sequence[int], end: int) -> None:
    """Writes an audio track with an index, cut into fragments anew.

    Args:
        source: the file.
        movie: what is in it.
        target: the file to make.
        starts: the first sample of every fragment, and at the end the sample to stop before.
        end: the tick of presentation at which the last sample ends at the latest: what it holds
            beyond is not played.
    """
    sizes = [size for run in movie.runs for size in run.sizes]
    durations = [length for run in movie.runs for length in run.durations]
    beyond = sum(durations[: starts[-1]]) - movie.track.skip - end
    durations[starts[-1] - 1] -= max(0, beyond)
    headers = []
    fragments = []
    decode = 0
    for number, (first, stop) in enumerate(pairwise(starts), 1):
        end = decode + sum(durations[first:stop])
        headers.append(_moof(number, movie, decode, durations[first:stop], sizes[first:stop]))
        size = len(headers[-1]) + 8 + sum(sizes[first:stop])
        start = max(0, decode - movie.track.skip)
        duration = end - movie.track.skip - start
        fragments.append(Fragment(0, size, start, duration, stop - first, independent=True))
        decode = end
    with source.open("rb") as old, target.open("xb") as new:
        new.write(_header(old, movie))
        new.write(_index(movie, fragments))
        samples = _samples(old, movie.runs)
        for header, (first, stop) in zip(headers, pairwise(starts), strict=True):
            new.write(header)
            new.write(_box("mdat", b"".join(islice(samples, stop - first))))


def _header(file: BinaryIO, movie: Movie) -> bytes:
    """The initialisation: brands of our own, and FFmpeg's ``moov``."""
    coding = movie.track.codec_string.split(".")[0]
    brands = [*_BRANDS, *(brand for brand in _CODING_BRANDS if brand == coding)]
    ftyp = b"".join(brand.encode("ascii") for brand in brands)
    file.seek(movie.moov_offset)
    moov = file.read(movie.track.header_size - movie.moov_offset)
    return _box("ftyp", ftyp[:4] + bytes(4) + ftyp) + moov


def _samples(file: BinaryIO, runs: Sequence[Run]) -> Iterator[bytes]:
    for run_ in runs:
        file.seek(run_.data)
        for size in run_.sizes:
            yield file.read(size)


def _box(kind: str, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind.encode("ascii")) + payload


def _full_box(kind: str, version: int, flags: int, payload: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + payload)


def _index(movie: Movie, fragments: Sequence[Fragment]) -> bytes:
    """A segment index (ISO/IEC 14496-12 8.16.3): one reference to every fragment, from time 0."""
    if len(fragments) > _MOST_REFERENCES:
        raise PackageError(
            "A track has too many fragments for its index",
            why=f"there are {len(fragments)}, and an index holds {_MOST_REFERENCES}",
            hint="Use longer groups of pictures",
        )
    payload = struct.pack(">IIQQHH", movie.track_id, movie.track.timescale, 0, 0, 0, len(fragments))
    for fragment in fragments:
        payload += struct.pack(">III", fragment.size, fragment.duration, _ACCESS_POINT)
    return _full_box("sidx", 1, 0, payload)


def _moof(
    number: int, movie: Movie, decode: int, durations: Sequence[int], sizes: Sequence[int]
) -> bytes:
    """The header of a fragment whose samples all decode alone and are presented in order."""
    flags = _TRUN_DATA_OFFSET | _TRUN_SIZES
    same = len(set(durations)) == 1
    words: Iterable[int] = sizes
    if not same:
        flags |= _TRUN_DURATIONS
        words = (word for pair in zip(durations, sizes, strict=True) for word in pair)
    table = b"".join(struct.pack(">I", word) for word in words)
    tfhd = struct.pack(">III", movie.track_id, durations[0], _INDEPENDENT)

    def build(data_offset: int) -> bytes:
        traf = _full_box("tfhd", 0, _TFHD_FLAGS, tfhd)
        traf += _full_box("tfdt", 1, 0, struct.pack(">Q", decode))
        traf += _full_box("trun", 0, flags, struct.pack(">Ii", len(sizes), data_offset) + table)
        mfhd = _full_box("mfhd", 0, 0, struct.pack(">I", number))
        return _box("moof", mfhd + _box("traf", traf))

    # The samples start behind the header, whose length does not depend on where that is.
    return build(len(build(0)) + 8)
