"""FFmpeg's graphs for audio: onto the video's timeline, mixed, measured, encoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.encode.downmix import Mix
from encoder.errors import EncodeError
from encoder.ffmpeg.graph import FORMAT_WHITELIST, Stream, open_input, rate_text
from encoder.ffmpeg.locate import Capabilities
from encoder.ffmpeg.process import PROTOCOLS
from encoder.media.conform import Conform
from encoder.media.frames import seconds_text
from encoder.media.master import AudioStream, Master

SAMPLE_RATE = 48_000
_ENCODERS = {"aac": "aac", "ac3": "ac3", "eac3": "eac3", "opus": "libopus"}
# Those of HE-AAC that an FFmpeg may have, in the order of preference; the one that comes with the
# install has none. What makes them leave out the upper octave, for SBR to make it of the lower, is
# AV_PROFILE_AAC_HE: not all of FFmpeg's versions know it by the same name.
HE_AAC_ENCODERS = ("libfdk_aac", "aac_at")
_HE_AAC_PROFILE = 4
# Samples that the encoder is behind and does not give when the sound ends: an overlap of the
# transform's blocks (ATSC A/52, 7.9).
_HELD_BACK = {"ac3": 256, "eac3": 256}

# The first sound goes exactly where its timestamp says. After that silence fills a gap, and samples
# are dropped from an overlap, once the sound is 40 ms off its timestamps: below what viewers notice
# (ITU-R BT.1359: 45 ms early), above the jitter of timestamps that capture tools write.
_ALIGN = {"async": 1, "first_pts": 0, "min_hard_comp": 0.04}

# ebur128 measures in steps of 0.1 s; what it says after the last one is of the whole.
_LAST_STEPS = Fraction(35, 100)
# Its absolute gate (LUFS), which it gives as the loudness of silence.
_GATE = -70.0
# Half the last digit of the true peak that it writes.
_PEAK_RESOLUTION = 0.0005


@dataclass(frozen=True, slots=True)
class Track:
    """A rendition to be made: of which stream, mixed how, at how many bits per second,
    in which codec: ``aac``, ``he-aac``, ``ac3``, ``eac3`` or ``opus``. ``encoder`` is FFmpeg's that
    is used instead of the usual one of the codec."""

    id: str
    name: str
    stream: AudioStream
    mix: Mix
    bitrate: int
    default: bool
    codec: str = "aac"
    encoder: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What ebur128 found: LUFS and LU, None for silence, and the true peak (1 is full scale)."""

    integrated: float | None
    range: float | None
    peak: float

    @property
    def peak_db(self) -> float | None:
        """The true peak in dBTP, None for silence."""
        return 20 * math.log10(self.peak) if self.peak > 0 else None

    @property
    def highest_peak_db(self) -> float:
        """What the true peak is at most, given how coarsely it was written, in dBTP."""
        return 20 * math.log10(self.peak + _PEAK_RESOLUTION)


def he_aac_encoder(found: Capabilities) -> str | None:
    """The encoder of an FFmpeg that makes HE-AAC; None where it has none."""
    return next((one for one in HE_AAC_ENCODERS if one in found.encoders), None)


def open_sound(master: Master, conform: Conform) -> Stream:
    """The master with its own timestamps, so that sound and pictures stay together.

    Sound that changes its format on the way makes FFmpeg fail. It would otherwise build the filters
    anew, and each part of the sound would start at time 0 again.
    """
    options: dict[str, str | None] = {
        **dict(conform.input_options),
        "copyts": None,
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMAT_WHITELIST,
        "reinit_filter": "0",
    }
    return open_input(master.path, **options)


def first_sound(master: Master, conform: Conform, stream: AudioStream) -> Stream:
    """An output that fails if the stream gives no sound."""
    source = open_sound(master, conform)[str(stream.index)]
    return source.output("-", f="null", **{"frames:a": 1, "abort_on": "empty_output_stream"})


def outputs(
    master: Master,
    conform: Conform,
    duration: Fraction,
    tracks: Sequence[Track],
    *,
    gains: Sequence[float] | None,
    measure: bool,
) -> list[Stream]:
    """What one decode of the master gives.

    Args:
        master: the source.
        conform: says which time in it is that of the first frame.
        duration: of the video, in seconds.
        tracks: the renditions.
        gains: in dB, one a track: encode them into ``<id>.mp4``. None: don't.
        measure: whether to write the logs for :func:`read_loudness`.
    """
    source = open_sound(master, conform)
    uses = [track.stream.index for track in tracks]
    sounds = {
        index: _copies(_aligned(source[str(index)], conform), uses.count(index))
        for index in dict.fromkeys(uses)
    }
    samples = math.ceil(duration * SAMPLE_RATE)
    made: list[Stream] = []
    for number, track in enumerate(tracks):
        sound = sounds[track.stream.index].pop()
        sound = sound.filter("pan", args=track.mix.pan)
        sound = sound.filter("apad", whole_len=samples).filter("atrim", end_sample=samples)
        for_log, for_file = _copies(sound, 2) if measure and gains else (sound, sound)
        if measure:
            made.append(_logged(for_log, duration, loudness_log(number)))
        if gains is not None:
            made.append(_encoded(for_file, track, gains[number]))
    return made


def loudness_log(number: int) -> str:
    """The file that a track's loudness is written to."""
    return f"loudness-{number}.txt"


def read_loudness(path: Path) -> Measured:
    """The loudness of the whole from a log of :func:`outputs`.

    A sound shorter than one step of 0.1 s has none.

    Raises:
        EncodeError: when the log is not as it should be.
    """
    values: dict[str, float] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            key, found, text = line.partition("=")
            if found:
                values[key] = float(text)
        if not values:
            return Measured(None, None, 0.0)
        integrated = values["lavfi.r128.I"]
        spread, peak = values["lavfi.r128.LRA"], values["lavfi.r128.true_peak"]
    except (OSError, ValueError, KeyError) as error:
        raise EncodeError("The loudness could not be measured", why=str(error)) from error
    if not integrated > _GATE:
        return Measured(None, None, peak)
    return Measured(integrated, spread, peak)


def _copies(stream: Stream, count: int) -> list[Stream]:
    if count == 1:
        return [stream]
    split = stream.filter_multi_output("asplit", count)
    return [split[number] for number in range(count)]


def _aligned(stream: Stream, conform: Conform) -> Stream:
    """Sound whose first sample is at the video's first frame, without gaps, in floating point."""
    offset = rate_text(conform.audio_offset)
    # Clipping would happen in integers: a mix may go over full scale until it is turned down.
    return (
        stream.filter("asetpts", f"round(PTS-({offset})/TB)")
        .filter("aresample", SAMPLE_RATE, **_ALIGN)
        .filter("aformat", sample_fmts="fltp")
    )


def _logged(stream: Stream, duration: Fraction, name: str) -> Stream:
    last = seconds_text(max(Fraction(0), duration - _LAST_STEPS))
    return (
        stream.filter("ebur128", peak="true", metadata=1, framelog="quiet")
        .filter("aselect", f"gte(t,{last})")
        .filter("ametadata", mode="print", file=name)
        .output("-", f="null")
    )


def _encoded(stream: Stream, track: Track, gain: float) -> Stream:
    if gain:
        stream = stream.filter("volume", f"{gain:.2f}dB")
    if track.codec in _HELD_BACK:
        stream = stream.filter("apad", pad_len=_HELD_BACK[track.codec])
    encoder = {"c:a": track.encoder or _ENCODERS[track.codec], "b:a": track.bitrate}
    if track.codec == "he-aac":
        encoder["profile:a"] = _HE_AAC_PROFILE
    return stream.output(
        f"file:{track.id}.mp4",
        f="mp4",
        fflags="+bitexact",
        map_metadata=-1,
        **encoder,
        **{"flags:a": "+bitexact"},
    )
