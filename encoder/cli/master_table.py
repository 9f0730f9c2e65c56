"""What a master is, as tables on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from encoder.cli.tables import bitrate, console, line, rate, row, seconds, table

if TYPE_CHECKING:
    from encoder.media.conform import Conform
    from encoder.media.master import Master, VideoStream


def print_master(master: Master, conform: Conform) -> None:
    """What a master is, and what is done to it."""
    out = console()
    facts = table("", "", "")
    facts.show_header = False
    for name, value in (
        ("file", str(master.path)),
        ("container", master.container),
        ("size", f"{master.size:,} bytes"),
        ("duration", seconds(master.duration)),
        ("starts at", seconds(master.start)),
        ("bitrate", bitrate(master.bitrate)),
        ("sha256", master.digest),
        *((f"tag {name}", value) for name, value in master.tags),
    ):
        row(facts, name, value)
    out.print(facts)
    video = table("Video", "", "")
    video.show_header = False
    for name, value in _video_facts(master.video):
        row(video, name, value)
    out.print(video)
    if master.audio:
        audio = table("Audio", ">stream", "codec", "layout", ">rate", ">bitrate", "language", "")
        for one in master.audio:
            row(
                audio,
                str(one.index),
                f"{one.codec} {one.profile}".strip(),
                one.layout,
                f"{one.sample_rate} Hz",
                bitrate(one.bitrate),
                one.language,
                ", ".join((*one.disposition, one.title)).strip(", "),
            )
        out.print(audio)
    if master.text:
        text = table("Text", ">stream", "codec", "language", "")
        for track in master.text:
            said = ", ".join((*track.disposition, track.title)).strip(", ")
            row(text, str(track.index), track.codec, track.language, said)
        out.print(text)
    if master.chapters:
        chapters = table("Chapters", ">from", ">to", "title")
        for chapter in master.chapters:
            row(chapters, seconds(chapter.start), seconds(chapter.end), chapter.title)
        out.print(chapters)
    for heading, lines in (
        ("Left out", [_left_out(v) for v in master.other_video] + list(master.other)),
        ("Odd", list(master.defects)),
        ("Conform", list(conform.changes) or ["the pictures are taken as they are"]),
    ):
        if lines:
            out.print(Text(heading, style="italic"))
            for one_line in lines:
                out.print(line(f"  {one_line}"))


def _left_out(video: VideoStream) -> str:
    return f"video stream {video.index}: {video.codec} {video.width}x{video.height}"


def _video_facts(video: VideoStream) -> list[tuple[str, str]]:
    colour = video.colour
    turned = f"{video.rotation} degrees clockwise" if video.rotation else "upright"
    facts = [
        ("stream", str(video.index)),
        ("codec", f"{video.codec} {video.profile}".strip()),
        ("size", f"{video.width}x{video.height}"),
        ("sample aspect", f"{video.sample_aspect.numerator}:{video.sample_aspect.denominator}"),
        ("display aspect", f"{float(video.display_aspect):.4f}"),
        ("orientation", turned + (", mirrored" if video.mirrored else "")),
        ("frame rate", f"{rate(video.frame_rate)}, {video.cadence}"),
        ("average rate", rate(video.average_frame_rate)),
        ("frames", str(video.frames)),
        ("duration", seconds(video.duration)),
        ("starts at", seconds(video.start)),
        ("scan", f"{video.scan} (the stream says {video.field_order})"),
        ("pixels", f"{video.pixel_format}, {video.bit_depth} bit"),
        (
            "colour",
            f"primaries {colour.primaries}, transfer {colour.transfer}, "
            f"matrix {colour.matrix}, range {colour.range}",
        ),
        ("bitrate", bitrate(video.bitrate)),
    ]
    if video.hdr is not None:
        hdr = video.hdr
        for name, value in (
            ("mastering display", hdr.mastering_display),
            ("max. content light", hdr.max_content_light),
            ("max. average light", hdr.max_average_light),
            ("Dolby Vision profile", hdr.dolby_vision_profile),
        ):
            if value is not None:
                facts.append((name, str(value)))
    if video.timecode:
        facts.append(("timecode", video.timecode))
    return facts
