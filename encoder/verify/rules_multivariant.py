"""Rules about the multivariant playlist (Apple's HLS Authoring Specification, RFC 8216bis)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.m3u8 import Tag
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Check, Hit, Rule, Severity

_MODERN = ("hvc1", "hev1", "dvh1", "dvhe", "av01")
_VIDEO = ("avc1", "avc3", *_MODERN, "vp09")
# The object types of MPEG-1 and MPEG-2 layer III, and what they are called among those of MPEG-4.
_MP3 = {"mp4a.6b": "mp4a.40.34", "mp4a.69": "mp4a.40.34"}
_RANGES = {16: "PQ", 18: "HLG"}


def codecs(text: str | None) -> list[str]:
    """The codec strings of a CODECS attribute or @codecs."""
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def coding(codec: str) -> str:
    """The first part of a codec string."""
    return codec.partition(".")[0]


def same_codec(declared: str, found: str) -> bool:
    """Whether a declared codec string fits the one of the file.

    What a string leaves out at its end is the default, and is not held against it. SBR and PS may
    be signalled inside of AAC only, so that the file looks like plain AAC.
    """
    one, other = (_MP3.get(text.lower(), text.lower()).split(".") for text in (declared, found))
    if one[:2] == other[:2] == ["mp4a", "40"] and len(one) == len(other) == 3:
        return one[2] == other[2] or {one[2], other[2]} <= {"2", "5", "29"}
    if one[0] in ("av01", "vp09"):
        shared = min(len(one), len(other))
        return shared >= 4 and one[:shared] == other[:shared]
    return one == other


def _pixels(text: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text or "")
    return (int(found[1]), int(found[2])) if found else None


def has_video(attributes: dict[str, str]) -> bool:
    """Whether a variant has pictures, as far as it says."""
    found = codecs(attributes.get("CODECS"))
    return "RESOLUTION" in attributes or any(coding(one) in _VIDEO for one in found)


def fmp4_only(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        modern = [c for c in codecs(tag.attributes.get("CODECS")) if coding(c) in _MODERN]
        if modern and stream and stream.container not in ("mp4", "none"):
            yield Hit(stream.place, f"{modern[0]} in {stream.container}", "fMP4 with EXT-X-MAP")


def aspect(s: Subject) -> Iterator[Hit]:
    sizes = [
        (tag, p) for tag, _ in s.variants() if (p := _pixels(tag.attributes.get("RESOLUTION")))
    ]
    if not sizes or s.master is None:
        return
    _, (width, height) = max(sizes, key=lambda one: one[1])
    for tag, (w, h) in sizes:
        # Sizes are even, so that each may be off by a pixel or two.
        if abs(w * height - h * width) > 2 * max(width, height):
            yield Hit(s.master.at(tag), f"{w}x{h}", f"the aspect ratio of {width}x{height}")


def iframe_tags(s: Subject) -> Iterator[Hit]:
    videos = [tag for tag, _ in s.variants() if has_video(tag.attributes)]
    if s.master and videos and not s.master.has("EXT-X-I-FRAME-STREAM-INF"):
        yield Hit(
            s.master.at(), "no EXT-X-I-FRAME-STREAM-INF", "one for each rendition of pictures"
        )


def codecs_declared(s: Subject) -> Iterator[Hit]:
    yield from _codecs(s, "EXT-X-STREAM-INF")


def codecs_iframes(s: Subject) -> Iterator[Hit]:
    yield from _codecs(s, "EXT-X-I-FRAME-STREAM-INF")


def _codecs(s: Subject, name: str) -> Iterator[Hit]:
    addresses = dict(s.master.variants()) if s.master else {}
    for tag in s.master.all(name) if s.master else ():
        attributes = tag.attributes
        declared = codecs(attributes.get("CODECS"))
        uri = attributes.get("URI") or (addresses[tag].value if tag in addresses else None)
        stream = s.stream_of(uri)
        streams = [stream] if stream else []
        if group := attributes.get("AUDIO"):
            streams += [one for _, one in s.renditions("AUDIO", group) if one]
        known = [one.header for one in streams if one.header and one.kind in ("video", "audio")]
        found = list(dict.fromkeys(one.coding.codec for one in known))
        if s.master and not declared:
            yield Hit(s.master.at(tag), "no CODECS", ",".join(found) or "CODECS")
        for codec in found:
            if s.master and declared and not any(same_codec(one, codec) for one in declared):
                yield Hit(s.master.at(tag), f'CODECS="{",".join(declared)}"', f"{codec} in it")
        complete = all(one.readable for one in streams) and streams
        muxed = any(one.others for one in known)
        for codec in declared if complete and not muxed and len(known) == len(streams) else ():
            if s.master and not any(same_codec(codec, one) for one in found):
                yield Hit(
                    s.master.at(tag), f'CODECS="{",".join(declared)}"', f"{','.join(found)} alone"
                )


def resolution_declared(s: Subject) -> Iterator[Hit]:
    addresses = dict(s.master.variants()) if s.master else {}
    yield from _resolutions(s, "EXT-X-STREAM-INF", {t: a.value for t, a in addresses.items()})


def resolution_iframes(s: Subject) -> Iterator[Hit]:
    tags = s.master.all("EXT-X-I-FRAME-STREAM-INF") if s.master else []
    yield from _resolutions(
        s, "EXT-X-I-FRAME-STREAM-INF", {tag: tag.attributes.get("URI", "") for tag in tags}
    )


def _resolutions(s: Subject, name: str, addresses: dict[Tag, str]) -> Iterator[Hit]:
    for tag in s.master.all(name) if s.master else ():
        stream = s.stream_of(addresses.get(tag, ""))
        header = stream.header if stream else None
        declared = _pixels(tag.attributes.get("RESOLUTION"))
        needed = has_video(tag.attributes) or bool(stream and stream.kind == "video")
        wanted = f"{header.coding.width}x{header.coding.height}" if header else "RESOLUTION"
        shape = f"{declared[0]}x{declared[1]}" if declared else ""
        if s.master and declared is None and needed:
            yield Hit(s.master.at(tag), "no RESOLUTION", wanted)
        elif s.master and declared and header and header.kind == "video" and shape != wanted:
            yield Hit(s.master.at(tag), shape, wanted)


def audio_apart(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        muxed = bool(stream and stream.header and stream.header.others)
        kinds = codecs(tag.attributes.get("CODECS"))
        sound = any(coding(c) in ("mp4a", "ac-3", "ec-3", "Opus") for c in kinds)
        if (
            s.master
            and has_video(tag.attributes)
            and (muxed or (sound and "AUDIO" not in tag.attributes))
        ):
            yield Hit(s.master.at(tag), "sound in the same segments as pictures", "an AUDIO group")


def two_at_the_top(s: Subject) -> Iterator[Hit]:
    found: dict[tuple[int, int], set[str]] = {}
    for tag, address in s.master.variants() if s.master else ():
        if pixels := _pixels(tag.attributes.get("RESOLUTION")):
            found.setdefault(pixels, set()).add(address.value)
    hd = [p for p in found if min(p) >= 720]
    if s.master and hd and len(found[max(hd)]) < 2:
        top = max(hd)
        yield Hit(s.master.at(), f"one variant at {top[0]}x{top[1]}", "two, of different bitrates")


def independent(s: Subject) -> Iterator[Hit]:
    if s.master and not s.master.has("EXT-X-INDEPENDENT-SEGMENTS"):
        yield Hit(s.master.at(), "no EXT-X-INDEPENDENT-SEGMENTS", "the tag")


def frame_rate(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.variants():
        text = tag.attributes.get("FRAME-RATE")
        if s.master and text is None and has_video(tag.attributes):
            yield Hit(s.master.at(tag), "no FRAME-RATE", "FRAME-RATE with three decimals")
        elif s.master and text and stream and stream.readable and stream.kind == "video":
            rate = 1 / stream.frame
            declared = Fraction(text) if re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text) else Fraction(0)
            if abs(declared - rate) > Fraction(1, 500):
                yield Hit(s.master.at(tag), f"FRAME-RATE={text}", f"{float(rate):.3f}")


def range_of(stream: Stream | None) -> str | None:
    """The VIDEO-RANGE that a file's own signalling demands; None where it does not say."""
    if stream is None or stream.header is None or stream.kind != "video":
        return None
    colour = stream.header.coding.colour
    return None if colour is None else _RANGES.get(colour[1], "SDR")


def video_range(s: Subject) -> Iterator[Hit]:
    video = [(tag, one) for tag, one in s.variants() if has_video(tag.attributes)]
    declared = [tag.attributes.get("VIDEO-RANGE") for tag, _ in video]
    found = [range_of(stream) for _, stream in video]
    bright = any(one in ("PQ", "HLG") for one in (*declared, *found))
    for (tag, _), said, real in zip(video, declared, found, strict=True):
        if s.master and said is None and bright:
            yield Hit(s.master.at(tag), "no VIDEO-RANGE", real or "SDR, PQ or HLG")
        elif s.master and said is not None and said != (real or said):
            yield Hit(s.master.at(tag), f"VIDEO-RANGE={said}", real or "")


def sdr_beside(s: Subject) -> Iterator[Hit]:
    yield from _beside(s, [tag for tag, _ in s.variants() if has_video(tag.attributes)])


def sdr_trick_play(s: Subject) -> Iterator[Hit]:
    yield from _beside(s, s.master.all("EXT-X-I-FRAME-STREAM-INF") if s.master else [])


def _beside(s: Subject, tags: list[Tag]) -> Iterator[Hit]:
    ranges = {tag.attributes.get("VIDEO-RANGE", "SDR") for tag in tags}
    if s.master and ranges and "SDR" not in ranges:
        yield Hit(s.master.at(tags[0]), f"only {', '.join(sorted(ranges))}", "SDR beside it")


def score(s: Subject) -> Iterator[Hit]:
    tags = [tag for tag, _ in s.variants()]
    without = [tag for tag in tags if "SCORE" not in tag.attributes]
    if s.master and without and len(without) < len(tags):
        found = f"{len(without)} of {len(tags)} variants without SCORE"
        yield Hit(s.master.at(without[0]), found, "SCORE on all or on none")


def rule(number: str, text: str, must: bool, fix: str, check: Check, document: str = "HLS") -> Rule:
    """A rule about the multivariant playlist."""
    severity: Severity = "must" if must else "should"
    return Rule(f"{document} {number}", text, severity, "multivariant", fix, check)


RULES = (
    rule("1.2", "HEVC and AV1 only in fMP4", True, "Package as fMP4", fmp4_only),
    rule("1.24", "SDR variants beside HDR", True, "Add SDR variants", sdr_beside),
    rule(
        "1.33", "All variants have the same aspect ratio", False, "Scale without distorting", aspect
    ),
    rule(
        "6.1",
        "I-frame playlists for scrubbing",
        True,
        "Write I-frame playlists and EXT-X-I-FRAME-STREAM-INF",
        iframe_tags,
    ),
    rule("6.16", "SDR trick play beside HDR", True, "Add I-frame playlists of SDR", sdr_trick_play),
    rule(
        "9.2",
        "CODECS on EXT-X-I-FRAME-STREAM-INF, as in the files",
        True,
        "Declare the coding as the sample entry has it",
        codecs_iframes,
    ),
    rule(
        "9.3",
        "RESOLUTION on EXT-X-STREAM-INF with video, as in the files",
        True,
        "Declare the size of the pictures",
        resolution_declared,
    ),
    rule(
        "9.4",
        "RESOLUTION on EXT-X-I-FRAME-STREAM-INF, as in the files",
        True,
        "Declare the size of the pictures",
        resolution_iframes,
    ),
    rule(
        "9.6",
        "Sound apart from pictures",
        False,
        "Package sound as a rendition of its own",
        audio_apart,
    ),
    rule(
        "9.10",
        "Two variants at the top HD resolution",
        False,
        "Add another bitrate at that resolution",
        two_at_the_top,
    ),
    rule(
        "9.11",
        "EXT-X-INDEPENDENT-SEGMENTS in the multivariant playlist",
        False,
        "Write EXT-X-INDEPENDENT-SEGMENTS below EXTM3U, once every segment starts with a key frame",
        independent,
    ),
    rule(
        "9.15",
        "FRAME-RATE on variants with video, as in the files",
        True,
        "Declare the rate of the frames",
        frame_rate,
    ),
    rule(
        "9.16",
        "VIDEO-RANGE on all unless all are SDR, as in the files",
        True,
        "Declare SDR, PQ or HLG by the transfer characteristics",
        video_range,
    ),
    rule("9.19", "SCORE on all variants or none", True, "Score the others too", score),
    rule(
        "9.1",
        "CODECS on EXT-X-STREAM-INF, as in the files",
        True,
        "Declare every coding of the variant and its groups, as the sample entries have it",
        codecs_declared,
    ),
)
