"""Policies: what is allowed and wanted. Read from YAML by :mod:`encoder.ladder.policy`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from encoder.media.audience import Audience


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """What is made of each audio track of the master.

    Every track becomes AAC-LC stereo at ``stereo_bitrate``; one with more channels is kept as such
    as well when ``surround`` is set, at ``surround_bitrate`` for six channels, in each of
    ``surround_codecs``: ``aac``, ``ac3`` (Dolby Digital) or ``eac3`` (Dolby Digital Plus). With an
    ``opus_bitrate`` every track is Opus in stereo as well, for DASH alone. ``loudness`` is the
    integrated loudness in LUFS to normalise to, None to leave levels alone; ``true_peak`` (dBTP)
    is not exceeded when normalising. With ``he_aac``, and where FFmpeg has an encoder for it, every
    track is HE-AAC in stereo as well, at ``he_aac_bitrate``, for the lowest rung; unless that is no
    less than ``stereo_bitrate``.
    """

    stereo_bitrate: int = 128_000
    surround: bool = True
    surround_bitrate: int = 384_000
    loudness: float | None = None
    true_peak: float = -1.5
    surround_codecs: tuple[str, ...] = ("aac",)
    opus_bitrate: int | None = None
    he_aac: bool = True
    he_aac_bitrate: int = 48_000


@dataclass(frozen=True, slots=True)
class PicturesPolicy:
    """What pictures go with a title.

    ``thumbnails`` are ``thumbnail_side`` pixels long on their longer side, one every ``interval``
    seconds (None: by the title's length), in sheets of at most ``columns`` by ``rows``.
    ``dense_iframes`` is a video of a key frame a second, for players to scrub with.
    """

    thumbnails: bool = True
    thumbnail_side: int = 320
    interval: int | None = None
    columns: int = 5
    rows: int = 5
    poster: bool = True
    dense_iframes: bool = False


@dataclass(frozen=True, slots=True)
class FixedRung:
    """A rung of a fixed ladder: the box that its pictures fit into, and its target bitrate."""

    width: int
    height: int
    bitrate: int


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far apart rungs are.

    The next rung down is about ``vmaf`` points lower, as long as the ratio of bitrates stays
    between ``min_ratio`` and ``max_ratio``; two rungs less than ``min_vmaf`` apart are one.
    """

    vmaf: float
    min_vmaf: float
    min_ratio: float
    max_ratio: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What a ladder may and should be.

    ``heights`` are the short sides of the resolutions that may be used; the master's own is always
    among them when it lies within. Bitrates are in bits per second, ``top_vmaf`` is the quality the
    best rung aims at and never exceeds by choice, ``floor_vmaf`` the quality below which no further
    rung is added once the rate is under ``comfort_bitrate``. ``peak_over_average`` bounds the
    buffer model's rate over the expected average; ``buffer_seconds`` its size at that rate. No shot
    is meant to look more than ``shot_floor`` VMAF worse than the title's mean, as far as its peak
    allows. With an ``audience`` rungs go where its viewers are: the quality that it is expected to
    receive is what counts. ``max_level`` is the codec's level that the oldest device can decode:
    sizes, rates and buffers stay within it; None for the codec's own limit.
    """

    name: str
    digest: str
    description: str
    kind: Literal["per-title", "fixed"]
    codec: str
    preset: str | None
    heights: tuple[int, ...]
    max_frame_rate: Fraction
    top_vmaf: float
    floor_vmaf: float
    max_bitrate: int
    min_bitrate: int
    comfort_bitrate: int
    shot_floor: float
    max_rungs: int
    spacing: Spacing
    peak_over_average: float
    buffer_seconds: float
    gop_seconds: Fraction
    segment_seconds: Fraction
    reference: str | None
    rungs: tuple[FixedRung, ...]
    audio: AudioPolicy
    audience: Audience | None = None
    pictures: PicturesPolicy = PicturesPolicy()
    max_level: str | None = None
