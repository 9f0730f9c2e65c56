"""Rules about the bitrates that a multivariant playlist declares (RFC 8216bis 4.1, Apple's HLS
Authoring Specification)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.m3u8 import number
from encoder.verify.rules_multivariant import has_video, rule
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Hit

_FIRST = 2_000_000


def _rates(s: Subject, stream: Stream | None) -> tuple[int, int] | None:
    playlist = s.playlists.get(stream.label) if stream else None
    if stream is None or playlist is None:
        return None
    return stream.rates(playlist.target or 6)


def measured(
    s: Subject, attributes: dict[str, str], stream: Stream | None
) -> tuple[int, int] | None:
    """Average and peak of the worst playable combination, in bits per second; None where a part of
    it could not be measured."""
    own = _rates(s, stream)
    if own is None:
        return None
    average, peak = own
    for kind in ("AUDIO", "SUBTITLES"):
        if group := attributes.get(kind):
            # An audio-only variant may be one of its own group: then it is not heard twice.
            others = [one for _, one in s.renditions(kind, group) if one and one is not stream]
            rates = [_rates(s, one) for one in others]
            if any(one is None for one in rates):
                return None
            known = [one for one in rates if one is not None]
            if kind == "AUDIO" and stream is not None and stream.kind == "audio":
                continue
            average += max((one[0] for one in known), default=0)
            peak += max((one[1] for one in known), default=0)
    return average, peak


def measured_average(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        found = measured(s, tag.attributes, stream)
        declared = number(tag.attributes.get("AVERAGE-BANDWIDTH"))
        if s.master and found and declared and not 9 * declared <= 10 * found[0] <= 11 * declared:
            text = f"AVERAGE-BANDWIDTH={declared}, measured {found[0]}"
            yield Hit(s.master.at(tag), text, f"AVERAGE-BANDWIDTH={found[0]}")


def measured_peak(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        found = measured(s, tag.attributes, stream)
        declared = number(tag.attributes.get("BANDWIDTH"))
        if s.master and found and declared and not 9 * declared <= 10 * found[1] <= 11 * declared:
            text = f"BANDWIDTH={declared}, measured {found[1]}"
            yield Hit(s.master.at(tag), text, f"BANDWIDTH={found[1]}")


def worst_combination(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        found = measured(s, tag.attributes, stream)
        declared = number(tag.attributes.get("BANDWIDTH"))
        if s.master and declared is None:
            yield Hit(s.master.at(tag), "no BANDWIDTH", "BANDWIDTH")
        # Durations are rounded in the playlist: a thousandth is no error.
        elif s.master and found and declared and 1000 * declared < 999 * found[1]:
            text = f"BANDWIDTH={declared}"
            yield Hit(s.master.at(tag), text, f"{found[1]}, the worst combination's peak")


def peak_to_average(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        found = measured(s, tag.attributes, stream)
        if s.master and found and found[1] > 2 * found[0]:
            text = f"peak {found[1]}, average {found[0]}: {100 * found[1] // found[0]}%"
            yield Hit(s.master.at(tag), text, f"at most {2 * found[0]}")


def first_variant(s: Subject) -> Iterator[Hit]:
    rates = []
    for tag, _ in s.variants():
        text = tag.attributes.get("AVERAGE-BANDWIDTH") or tag.attributes.get("BANDWIDTH")
        if (rate := number(text)) and has_video(tag.attributes):
            rates.append((tag, Fraction(rate, _FIRST)))
    if not rates or s.master is None:
        return
    tag, first = rates[0]
    distance = max(first, 1 / first)
    # Of codings that not all players know, and with more sound, another may be as near.
    nearest = min(max(one, 1 / one) for _, one in rates)
    if distance > max(nearest * Fraction(5, 4), Fraction(3, 2)):
        found = f"the first variant has {float(first * _FIRST / 1000):.0f} kb/s"
        yield Hit(s.master.at(tag), found, "the variant nearest to 2000 kb/s")


def average_declared(s: Subject) -> Iterator[Hit]:
    for tag, _ in s.variants():
        if s.master and number(tag.attributes.get("AVERAGE-BANDWIDTH")) is None:
            yield Hit(s.master.at(tag), "no AVERAGE-BANDWIDTH", "AVERAGE-BANDWIDTH")


def low_variant(s: Subject) -> Iterator[Hit]:
    rates = [r for tag, _ in s.variants() if (r := number(tag.attributes.get("BANDWIDTH")))]
    if s.master and rates and min(rates) > 192_000:
        yield Hit(s.master.at(), f"the least BANDWIDTH is {min(rates)}", "one of at most 192000")


def iframe_peak(s: Subject) -> Iterator[Hit]:
    for tag in s.master.all("EXT-X-I-FRAME-STREAM-INF") if s.master else ():
        found = _rates(s, s.stream_of(tag.attributes.get("URI")))
        declared = number(tag.attributes.get("BANDWIDTH"))
        if s.master and declared is None:
            yield Hit(s.master.at(tag), "no BANDWIDTH", "BANDWIDTH")
        elif s.master and found and declared and 10 * declared < 9 * found[1]:
            text = f"BANDWIDTH={declared}, measured {found[1]}"
            yield Hit(s.master.at(tag), text, f"BANDWIDTH={found[1]}")


def peak_above_average(s: Subject) -> Iterator[Hit]:
    for name in ("EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF"):
        for tag in s.master.all(name) if s.master else ():
            peak = number(tag.attributes.get("BANDWIDTH"))
            average = number(tag.attributes.get("AVERAGE-BANDWIDTH"))
            if s.master and peak and average and average > peak:
                found = f"AVERAGE-BANDWIDTH={average}, BANDWIDTH={peak}"
                yield Hit(s.master.at(tag), found, "a peak of at least the average")


_REMEASURE = "Measure the segments as they are and declare that"
RULES = (
    rule(
        "1.26",
        "Measured average within 10% of AVERAGE-BANDWIDTH",
        True,
        _REMEASURE,
        measured_average,
    ),
    rule("1.27", "Measured peak within 10% of BANDWIDTH", True, _REMEASURE, measured_peak),
    rule(
        "1.30",
        "Peak at most 200% of the average",
        False,
        "Lower the encoder's maximum rate or buffer",
        peak_to_average,
    ),
    rule(
        "1.32",
        "The first variant is of about 2000 kb/s",
        False,
        "List the variant nearest to 2000 kb/s first",
        first_variant,
    ),
    rule(
        "9.21",
        "A variant of at most 192 kb/s (iOS)",
        False,
        "Add a rung for bad networks",
        low_variant,
    ),
    rule(
        "9.13",
        "BANDWIDTH is that of the worst playable combination",
        True,
        "Add the peak of the costliest rendition of each group to the variant's own",
        worst_combination,
    ),
    rule(
        "9.14",
        "AVERAGE-BANDWIDTH on every variant",
        True,
        "Write the bits of all segments over their time, the costliest sound and text added",
        average_declared,
    ),
    rule(
        "4.1 I-frames",
        "BANDWIDTH of I-frame playlists covers the measured peak",
        True,
        _REMEASURE,
        iframe_peak,
        "RFC 8216",
    ),
    rule(
        "4.1",
        "BANDWIDTH is at least AVERAGE-BANDWIDTH",
        True,
        _REMEASURE,
        peak_above_average,
        "RFC 8216",
    ),
)
