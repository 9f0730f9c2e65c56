"""The master's own subtitles."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
from av.subtitles.stream import SubtitleStream

from encoder.errors import MasterError
from encoder.ffmpeg.graph import FORMAT_WHITELIST, file_url
from encoder.media.master import Master, TextStream
from encoder.text.cues import closed, decoded
from encoder.text.webvtt import MOST_CUES, Cue, Subtitles

# What FFmpeg decodes to text. Others are pictures of text, or have no decoder.
TEXT_CODECS = frozenset(
    {
        "ass",
        "ssa",
        "subrip",
        "srt",
        "mov_text",
        "webvtt",
        "text",
        "subviewer",
        "subviewer1",
        "microdvd",
        "stl",
        "jacosub",
        "mpl2",
        "realtext",
        "sami",
        "vplayer",
        "pjs",
    }
)
BITMAP_CODECS = frozenset(
    {"hdmv_pgs_subtitle", "pgssub", "dvd_subtitle", "dvdsub", "dvb_subtitle", "dvbsub", "xsub"}
)


def read_embedded(
    master: Master, offset: Fraction, warn: Callable[[str], None]
) -> list[tuple[TextStream, Subtitles]]:
    """The subtitles of every text stream of a master that has any.

    Args:
        master: the source.
        offset: the container's time of reference picture 0, which becomes time 0.
        warn: told of each stream that is left out, and why.

    Raises:
        MasterError: when the master cannot be read.
    """
    wanted = [one for one in master.text if _readable(one, warn)]
    if not wanted:
        return []
    cues: dict[int, list[Cue]] = {one.index: [] for one in wanted}
    av.logging.set_level(None)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMAT_WHITELIST}
    try:
        with av.open(file_url(master.path), options=options, metadata_errors="replace") as file:
            streams = [s for s in file.streams if s.index in cues]
            for packet in file.demux(*streams):
                stream = packet.stream
                if isinstance(stream, SubtitleStream):
                    found = cues[stream.index]
                    found.extend(decoded(packet, stream))
                    if len(found) > MOST_CUES:
                        raise MasterError(
                            "A subtitle track has more cues than any title",
                            where=f"{master.path}, stream {stream.index}",
                            hint="Remove this track from the master",
                        )
    except av.FFmpegError as error:
        # What could be read before is used, as of the pictures.
        warn(f"The subtitles cannot be read to their end: {error.strerror}")
    made = []
    for one in wanted:
        subtitles = Subtitles(closed(cues[one.index], offset))
        if subtitles.cues:
            made.append((one, subtitles))
        else:
            warn(f"Subtitle stream {one.index} ({one.codec}) has no text and is left out")
    return made


def _readable(stream: TextStream, warn: Callable[[str], None]) -> bool:
    if stream.codec in TEXT_CODECS:
        return True
    why = "cannot be decoded to text"
    if stream.codec in BITMAP_CODECS:
        why = "is of pictures, not of text"
    warn(
        f"Subtitle stream {stream.index} ({stream.codec}, {stream.language}) {why} and is left "
        "out: add it as a file with --subtitles"
    )
    return False
