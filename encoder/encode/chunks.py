"""Chunks: the units of encode work, whole shots that are encoded apart and joined afterwards."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from encoder.codecs import CrfZone, EncodeSettings, codec_named
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung

# Long enough that starting a process, seeking and filling an encoder's lookahead are little beside
# the work; short enough that a run which is killed has little to do again.
CHUNK_SECONDS = Fraction(5)
# A take without a cut is divided when it is this long. Where an encoder does not know what comes
# before and after, its quality is lower, which nobody sees at a cut; here, it is shown so much of
# the take on both sides, which is encoded as well and then left out.
TAKE_SECONDS = Fraction(30)
AROUND_SECONDS = Fraction(2)

# Pictures on either side of a chunk that its measurement sees beside its own: the models of VMAF
# look up to two pictures back and ahead for motion.
CONTEXT = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole shots that are encoded together.

    ``frames`` are reference frames of the title, ``keyframes`` the IDR frames among them. ``lead``
    frames before them and ``tail`` after them are encoded too and left out again; ``around`` are
    the IDR frames there.
    """

    number: int
    frames: FrameRange
    keyframes: tuple[int, ...]
    lead: int = 0
    tail: int = 0
    around: tuple[int, ...] = ()

    @property
    def coded(self) -> FrameRange:
        """The frames that are encoded."""
        return FrameRange(self.frames.start - self.lead, self.frames.end + self.tail)

    @property
    def coded_keyframes(self) -> tuple[int, ...]:
        """The IDR frames of what is encoded, counted from its first frame."""
        start = self.coded.start
        return tuple(sorted(frame - start for frame in (*self.keyframes, *self.around)))

    def without_lead(self) -> Chunk:
        """The chunk encoded from its own first frame on."""
        later = tuple(frame for frame in self.around if frame >= self.frames.end)
        return replace(self, lead=0, around=later)

    @property
    def local_keyframes(self) -> tuple[int, ...]:
        """The IDR frames, counted from the chunk's first frame."""
        return tuple(frame - self.frames.start for frame in self.keyframes)


@dataclass(frozen=True, slots=True)
class ChunkRung:
    """What a rung asks of one chunk."""

    codec: str
    settings: EncodeSettings


def plan_chunks(
    shots: Sequence[FrameRange],
    keyframes: Sequence[int],
    rungs: Sequence[Rung],
    rate: Fraction,
    uncut: Container[int] = (),
) -> tuple[Chunk, ...]:
    """The chunks of a title: they tile it, and do not depend on the machine.

    A chunk ends at the first cut after :data:`CHUNK_SECONDS`, within a take after
    :data:`TAKE_SECONDS`, and wherever a rung whose encoder cannot vary its CRF changes it. A title
    that is encoded to a bitrate is one chunk, since how many bits a shot gets depends on all the
    others.

    Args:
        shots: the frames of each shot; they tile the title.
        keyframes: the IDR frames; every shot starts with one.
        rungs: the ladder's.
        rate: frames per second.
        uncut: the starts of those shots that no cut is before, parts of a longer take.
    """
    if any(rung.target_bitrate is not None for rung in rungs):
        whole = FrameRange(shots[0].start, shots[-1].end)
        return (Chunk(0, whole, tuple(keyframes)),)
    fixed = [rung for rung in rungs if not codec_named(rung.codec).varies_crf]
    least, longest = (max(1, round(s * rate)) for s in (CHUNK_SECONDS, TAKE_SECONDS))
    chunks: list[Chunk] = []
    start = shots[0].start
    for number, shot in enumerate(shots):
        last = number == len(shots) - 1
        changes = not last and any(
            rung.crf_per_shot[number] != rung.crf_per_shot[number + 1] for rung in fixed
        )
        # A rest that is shorter than half a chunk joins the one before it.
        little_left = shots[-1].end - shot.end < least // 2 and not fixed
        enough = longest if shot.end in uncut else least
        if last or changes or (shot.end - start >= enough and not little_left):
            frames = FrameRange(start, shot.end)
            inside = tuple(frame for frame in keyframes if frame in frames)
            chunks.append(Chunk(len(chunks), frames, inside))
            start = shot.end
    around = round(AROUND_SECONDS * rate)
    return tuple(_shown_around(chunk, shots[-1].end, keyframes, uncut, around) for chunk in chunks)


def _shown_around(
    chunk: Chunk, end: int, keyframes: Sequence[int], uncut: Container[int], around: int
) -> Chunk:
    """The chunk with some of the take on its sides that are not at a cut."""
    first, last = chunk.frames.start, chunk.frames.end
    if first in uncut:
        # From an IDR frame that the title has as well, so that it goes as it would there.
        first = max((k for k in keyframes if k <= max(0, first - around)), default=first)
    if last in uncut:
        last = min(end, last + around)
    outside = tuple(k for k in keyframes if first <= k < last and k not in chunk.frames)
    return replace(
        chunk, lead=chunk.frames.start - first, tail=last - chunk.frames.end, around=outside
    )


def chunk_rung(
    rung: Rung,
    chunk: Chunk,
    shots: Sequence[FrameRange],
    conform: Conform,
    gop_frames: int,
    buffer_start: float | None = None,
) -> ChunkRung:
    """What a rung asks of a chunk.

    Args:
        rung: the rung.
        chunk: the chunk.
        shots: the frames of each shot of the title.
        conform: what the reference pictures are.
        gop_frames: the longest distance of IDR frames.
        buffer_start: how full the decoder's buffer is when the chunk starts, 0 to 1; None for what
            the encoder takes by default.
    """
    first = chunk.coded.start
    own = [
        (crf, FrameRange(shot.start - first, shot.end - first))
        for crf, shot in zip(rung.crf_per_shot or (None,) * len(shots), shots, strict=True)
        if shot.start in chunk.frames
    ]
    crfs = [crf for crf, _ in own if crf is not None]
    zones = crf_zones(crfs, _all_of(chunk, [frames for _, frames in own])) if crfs else ()
    return ChunkRung(
        rung.codec,
        EncodeSettings(
            frame_rate=conform.frame_rate,
            width=rung.width,
            height=rung.height,
            preset=rung.preset,
            gop_frames=gop_frames,
            crf=zones[0].crf if zones else None,
            bitrate=rung.target_bitrate,
            max_bitrate=rung.max_bitrate,
            buffer_bits=rung.buffer_bits,
            zones=zones if len(zones) > 1 else (),
            buffer_start=buffer_start,
            max_level=rung.max_level,
        ),
    )


def _all_of(chunk: Chunk, shots: list[FrameRange]) -> list[FrameRange]:
    """Shots of a chunk, the outer ones with what is encoded around it."""
    shots[0] = FrameRange(0, shots[0].end)
    shots[-1] = FrameRange(shots[-1].start, len(chunk.coded))
    return shots


def crf_zones(crfs: Sequence[float], shots: Sequence[FrameRange]) -> tuple[CrfZone, ...]:
    """The CRFs of shots as zones that tile them; equal neighbours are one.

    Raises:
        ValueError: when there is not one CRF for each shot.
    """
    zones: list[CrfZone] = []
    for crf, shot in zip(crfs, shots, strict=True):
        if zones and zones[-1].crf == crf:
            zones[-1] = CrfZone(FrameRange(zones[-1].frames.start, shot.end), crf)
        else:
            zones.append(CrfZone(shot, crf))
    return tuple(zones)
