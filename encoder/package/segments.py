"""Fragments to segments, and the bitrates of segments. Pure functions of what was read back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from encoder.media.frames import frame_time
from encoder.media.package import Fragment, Segment, Track

# What a boundary elsewhere than at a preferred place costs, in squares of the target: as much as a
# segment that is a quarter of the target too short.
_ELSEWHERE = Fraction(1, 16)


def segment_boundaries(
    times: Sequence[Fraction],
    target: Fraction,
    tolerance: Fraction = Fraction(0),
    preferred: Collection[Fraction] = (),
) -> tuple[int, ...]:
    """Which fragments start a segment.

    Segments are as near to the target as their fragments allow and never longer, unless a single
    fragment is. The sum of squared distances to the target is the smallest possible, so that a
    short rest is shared out rather than left at the end; a boundary that is not at a preferred
    time counts as a segment that is a quarter of the target too short.

    Args:
        times: the start of every fragment and, at the end, the end of the last; in seconds.
        target: the duration of a segment, in seconds.
        tolerance: by how much a segment may exceed it.
        preferred: times at which a segment should rather start than at others; all are alike if
            there are none.

    Returns:
        Indices into ``times``: the first fragment of every segment, and at the end the number of
        fragments.

    Raises:
        ValueError: when there is no fragment, times do not increase or the target is not positive.
    """
    if len(times) < 2 or any(b <= a for a, b in pairwise(times)) or target <= 0:
        raise ValueError("segments need a positive target and fragments of increasing time")
    count = len(times) - 1
    # best[i]: the least cost of what lies before fragment i, and where its last segment starts.
    best: list[tuple[Fraction, int]] = [(Fraction(0), 0)]
    elsewhere = _ELSEWHERE * target**2 if preferred else Fraction(0)
    wanted = frozenset(preferred)
    for end in range(1, count + 1):
        here = Fraction(0) if end == count or times[end] in wanted else elsewhere
        choice: tuple[Fraction, int] | None = None
        for start in range(end - 1, -1, -1):
            duration = times[end] - times[start]
            if duration > target + tolerance and choice is not None:
                break
            cost = best[start][0] + (duration - target) ** 2 + here
            if choice is None or cost < choice[0]:
                choice = (cost, start)
        best.append(choice or (Fraction(0), 0))
    boundaries = [count]
    while boundaries[-1]:
        boundaries.append(best[boundaries[-1]][1])
    return tuple(reversed(boundaries))


def video_boundaries(
    times: Sequence[Fraction], frame_rate: Fraction, shots: Sequence[int], seconds: Fraction
) -> tuple[int, ...]:
    """Which groups of pictures start a segment, for all renditions alike.

    Args:
        times: the start of every one and, at the end, the end of the last; in seconds.
        frame_rate: of the title.
        shots: the first frames of its shots.
        seconds: how long a segment should be.

    Returns:
        As :func:`segment_boundaries`.
    """
    # Half a frame of grace: six seconds of 29.97 frames a second are a little more.
    grace = 1 / frame_rate / 2
    cuts = [frame_time(frame, frame_rate) for frame in shots if frame]
    return segment_boundaries(times, seconds, grace, cuts)


def segment_starts(
    keyframes: Sequence[int],
    frames: int,
    frame_rate: Fraction,
    shots: Sequence[int],
    seconds: Fraction,
) -> list[Fraction]:
    """When the segments of a title will start, in seconds, from its key frames and their count."""
    places = sorted({0, frames, *(one for one in keyframes if 0 <= one < frames)})
    times = [frame_time(one, frame_rate) for one in places]
    return [times[one] for one in video_boundaries(times, frame_rate, shots, seconds)[:-1]]


def fragment_times(track: Track) -> tuple[Fraction, ...]:
    """When every fragment starts, and when the last ends, in seconds."""
    ticks = [fragment.start for fragment in track.fragments] + [track.duration]
    return tuple(Fraction(tick, track.timescale) for tick in ticks)


def group(fragments: Sequence[Fragment], boundaries: Sequence[int]) -> tuple[Segment, ...]:
    """The segments between boundaries as :func:`segment_boundaries` gives them."""
    segments = []
    for first, stop in pairwise(boundaries):
        run = fragments[first:stop]
        segments.append(
            Segment(
                offset=run[0].offset - run[0].lead,
                size=sum(fragment.bytes for fragment in run),
                start=run[0].start,
                duration=sum(fragment.duration for fragment in run),
                file=run[0].file,
                clear=all(fragment.clear for fragment in run),
            )
        )
    return tuple(segments)


def files_start(fragments: Sequence[Fragment]) -> tuple[int, ...]:
    """The fragments that start a file, and at the end the number of fragments."""
    inner = [i for i in range(1, len(fragments)) if fragments[i].file != fragments[i - 1].file]
    return (0, *inner, len(fragments))


def nearest_fragments(
    starts: Sequence[int], timescale: int, times: Sequence[Fraction]
) -> tuple[int, ...]:
    """Which fragments of an audio track start its segments: those nearest to the video's.

    Args:
        starts: when every fragment starts and, at the end, when the last ends; in ticks.
        timescale: ticks a second.
        times: when the video's segments start, and when the last ends; in seconds.

    Returns:
        As :func:`segment_boundaries`.
    """
    count = len(starts) - 1
    nearest = nearest_samples(starts, 0, timescale, times[1:-1])
    return (0, *sorted({one for one in nearest if 0 < one < count}), count)


def nearest_samples(
    starts: Sequence[int], skip: int, timescale: int, times: Sequence[Fraction]
) -> tuple[int, ...]:
    """The samples of a track that start nearest to given times.

    Args:
        starts: decoding time of every sample and, at the end, the end of the last; in ticks.
        skip: the ticks before presentation starts.
        timescale: ticks a second.
        times: in seconds from the start of the presentation.

    Returns:
        For every time the index into ``starts``; of two equally near the earlier.
    """
    found = []
    for time in times:
        tick = time * timescale + skip
        after = min(bisect_left(starts, tick), len(starts) - 1)
        before = max(after - 1, 0)
        found.append(before if tick - starts[before] <= starts[after] - tick else after)
    return tuple(found)


def target_duration(segments: Sequence[Segment], timescale: int) -> int:
    """The EXT-X-TARGETDURATION of segments: the longest, in whole seconds, rounded half up."""
    longest = max(segment.duration for segment in segments)
    return max(1, (2 * longest + timescale) // (2 * timescale))


def average_bitrate(segments: Sequence[Segment], timescale: int) -> int:
    """Average segment bit rate (RFC 8216 4.1), in bits per second, rounded up."""
    size = sum(segment.size for segment in segments)
    return _rate(size, sum(segment.duration for segment in segments), timescale)


def peak_bitrate(segments: Sequence[Segment], timescale: int, target: int) -> int:
    """Peak segment bit rate (RFC 8216 4.1), in bits per second, rounded up.

    It is the largest of any run of segments that lasts between half and one and a half target
    durations. A title too short for that has its average as its peak.

    Args:
        segments: of one track.
        timescale: their ticks a second.
        target: the target duration of the playlist, in seconds.
    """
    peak = 0
    for first in range(len(segments)):
        size = duration = 0
        for segment in segments[first:]:
            size += segment.size
            duration += segment.duration
            if 2 * duration > 3 * target * timescale:
                break
            if 2 * duration >= target * timescale:
                peak = max(peak, _rate(size, duration, timescale))
    return peak or average_bitrate(segments, timescale)


def _rate(size: int, duration: int, timescale: int) -> int:
    return -(-8 * size * timescale // duration)


def buffer_time(fragments: Sequence[Fragment], timescale: int, bitrate: int) -> Fraction:
    """How long a player must buffer so that delivery at a constant bitrate never stalls it.

    This is the model behind MPD@minBufferTime and Representation@bandwidth (ISO/IEC 23009-1
    5.3.5.4): started at any fragment, every later one is there when its turn comes.

    Args:
        fragments: of one track.
        timescale: their ticks a second.
        bitrate: of the delivery, in bits per second.

    Returns:
        Seconds.
    """
    # Delivered by the end of fragment k, counted from the start of i: bits(i..k) / bitrate. It is
    # played from buffer + start(k) - start(i). The largest difference over all i <= k is found in
    # one pass, by keeping the largest value of what depends on i alone.
    worst = Fraction(0)
    ahead: Fraction | None = None
    delivered = accumulate((fragment.bytes for fragment in fragments), initial=0)
    for before, fragment in zip(delivered, fragments, strict=False):
        start = Fraction(fragment.start, timescale)
        own = start - Fraction(8 * before, bitrate)
        ahead = own if ahead is None else max(ahead, own)
        worst = max(worst, Fraction(8 * (before + fragment.bytes), bitrate) - start + ahead)
    return worst
