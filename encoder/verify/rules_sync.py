"""Rules about tracks beside each other: that they start together, are cut together, and are of one
frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.rules_ours import video
from encoder.verify.rules_playlist import tell
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Hit, Place, Rule, Severity

# What players jump over, or play out of step without anyone's notice, in seconds.
_APART = Fraction(1, 4)
# 24 and 24000/1001 are a thousandth apart.
_SAME = Fraction(1, 4000)


def start_together(s: Subject) -> Iterator[Hit]:
    known = [
        (stream.span(first.fragments)[0], stream)
        for _, stream in s.media_playlists()
        if (first := next(iter(stream.parts), None)) and first.fragments and stream.header
    ]
    pictures = [one for one in known if one[1].kind == "video"] or known
    if not pictures:
        return
    starts = [start for start, _ in pictures]
    wanted = max(starts, key=starts.count)
    for start, stream in known:
        if abs(start - wanted) > max(_APART, stream.frame):
            found = f"{stream.label} starts at {tell(start)} of its media"
            yield Hit(stream.place, found, f"{tell(wanted)}, as the pictures do")


def sound_cut_with_pictures(s: Subject) -> Iterator[Hit]:
    streams = [stream for _, stream in s.media_playlists() if stream.readable]
    pictures = [stream for stream in streams if stream.kind == "video"]
    if not pictures:
        return
    reference = max(pictures, key=lambda one: len(one.parts))
    # Of others it is good practice; of ours, a promise.
    severity: Severity = "must" if s.facts else "should"
    for stream in streams:
        if stream.kind != "audio":
            continue
        # The last segments end with their tracks.
        pairs = list(zip(stream.ends(), reference.ends(), strict=False))[:-1]
        for number, (heard, seen) in enumerate(pairs):
            if abs(heard - seen) > stream.frame:
                place = stream.parts[number].place
                found = f"segment {number} of sound ends at {tell(heard)}"
                wanted = f"{tell(seen)} within {tell(stream.frame)}, as {reference.label}"
                yield Hit(place, found, wanted, severity)
                break
        else:
            if len(stream.parts) != len(reference.parts):
                wanted = f"{len(reference.parts)}, as {reference.label} has"
                found = f"{len(stream.parts)} segments of sound"
                yield Hit(stream.place, found, wanted, severity)


def one_frame_rate(s: Subject) -> Iterator[Hit]:
    """Renditions of half the rate or a third of it show every second or third picture; anything
    else shows others, and jumps when players switch. Rates are told by the durations of samples,
    so that they are found of the shortest titles."""
    streams = [one for one in video(s) if one.samples > 1]
    lasting = [(one.frame, _mean(one), one) for one in streams]
    if not lasting:
        return
    nominal = [one[0] for one in lasting]
    common = max(nominal, key=nominal.count)
    first = next(one for one in lasting if one[0] == common)
    for said, mean, stream in lasting:
        if _multiple(said, first[0], Fraction(0)) or _multiple(mean, first[1], _error(stream)):
            continue
        found = f"{float(1 / said):.4f} frames a second"
        wanted = f"{float(1 / first[0]):.4f}, as {first[2].label}, or a whole part of it"
        yield Hit(Place(stream.parts[0].name), found, wanted)


def _mean(stream: Stream) -> Fraction:
    """How long a sample lasts in the mean, in seconds."""
    ticks = sum(one.duration for one in stream.fragments())
    return Fraction(ticks, (stream.header.timescale if stream.header else 1) * stream.samples)


def _error(stream: Stream) -> Fraction:
    """What the roundness of ticks may add to the mean, as a share of it."""
    ticks = sum(one.duration for one in stream.fragments())
    return Fraction(1, ticks) if ticks else Fraction(0)


def _multiple(one: Fraction, other: Fraction, error: Fraction) -> bool:
    """Whether one lasts a whole number of times as long as the other, or the other way round."""
    if not one or not other:
        return True
    ratio = max(one, other) / min(one, other)
    times = round(ratio)
    return abs(ratio - times) <= (_SAME + error) * times


RULES = (
    Rule(
        "RFC 8216 6.2.4",
        "Playlists start at the same time of their media",
        "must",
        "hls",
        "Package all tracks from the same time on: shift tfdt, or write an edit list for what "
        "sound starts with",
        start_together,
    ),
    Rule(
        "HLS 8.22 sound",
        "Segments of sound end where those of the pictures do, within an access unit",
        "should",
        "hls",
        "Cut sound at the access unit that is nearest to each boundary of the pictures",
        sound_cut_with_pictures,
    ),
    Rule(
        "OURS frame rates",
        "Renditions are of one frame rate, or of whole parts of it",
        "must",
        "media",
        "Convert all renditions to the same rate from the same source: 24 and 24000/1001 frames a "
        "second are two rates",
        one_frame_rate,
    ),
)
