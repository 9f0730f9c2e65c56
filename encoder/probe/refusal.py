"""Why a file is no master: what is wrong with it, found by looking at its bytes."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path

from encoder.errors import MasterError
from encoder.probe.boxes import is_encrypted, top_level

_HEAD = 4096
_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"8BPS", "Photoshop"),
)
_AUDIO: tuple[tuple[bytes, str], ...] = (
    (b"ID3", "MP3"),
    (b"\xff\xfb", "MP3"),
    (b"\xff\xf3", "MP3"),
    (b"\xff\xf1", "AAC"),
    (b"\xff\xf9", "AAC"),
    (b"fLaC", "FLAC"),
    (b"FORM", "AIFF"),
    (b"caff", "CAF"),
    (b"#!AMR", "AMR"),
    (b"wvpk", "WavPack"),
)
_POINTERS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"#EXTM3U"), "an HLS or M3U playlist"),
    (re.compile(rb"ffconcat version"), "an FFmpeg concat script"),
    (re.compile(rb"file\s+\S.*\n"), "an FFmpeg concat script"),
    (re.compile(rb"v=0\r?\n"), "an SDP description of a stream"),
    (re.compile(rb"(<\?xml.*?)?\s*(<!--.*?-->\s*)?<MPD\b", re.DOTALL), "a DASH manifest"),
    (re.compile(rb"(<\?xml.*?)?\s*<SmoothStreamingMedia\b", re.DOTALL), "a streaming manifest"),
    (re.compile(rb"(<\?xml.*?)?\s*<playlist\b", re.DOTALL), "a playlist"),
    (re.compile(rb"(?i)\[playlist\]|\[reference\]|<asx\b|RTSPtext"), "a playlist"),
)


def check_path(path: Path) -> int:
    """The size of a file that can be read, in bytes.

    Raises:
        MasterError: when there is nothing at the path, it is not a file, empty or unreadable.
    """
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise MasterError(
                "The master is a folder",
                where=where,
                why="A master is one video file",
                hint="Name a file in it",
            )
        if not stat.S_ISREG(status.st_mode):
            raise MasterError(
                "The master is not a file",
                where=where,
                why="It is a device, a pipe or a socket, which can be read only once",
                hint="Write it to a file first",
            )
        if status.st_size == 0:
            raise MasterError(
                "The master is empty",
                where=where,
                why="The file has 0 bytes",
                hint="Copy or export it again: the last attempt was cut off at the start",
            )
        with path.open("rb"):
            return status.st_size
    except FileNotFoundError:
        dangling = path.is_symlink()
        raise MasterError(
            "There is no such master",
            where=where,
            why="It is a link to a file that is not there" if dangling else "",
            hint="Check the spelling of the path, and that its disk is mounted",
        ) from None
    except PermissionError:
        raise MasterError(
            "The master may not be read",
            where=where,
            why="The system denies permission",
            hint="Ask its owner for permission to read it (chmod +r), or run as another user",
        ) from None
    except (OSError, ValueError) as error:
        raise MasterError(
            "The master cannot be read",
            where=where,
            why=str(error),
            hint="Check the disk and the path",
        ) from None


def refusal(path: Path, reason: str) -> MasterError:
    """Explains a file that does not open as video.

    Args:
        path: a file that can be read.
        reason: what FFmpeg's libraries say.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return MasterError("The master cannot be read", where=where, why=str(error))
    return (
        _pointer(head, where)
        or _other_medium(head, where)
        or _broken_container(path, head, where)
        or MasterError(
            "The master is not a video file that can be read",
            where=where,
            why=f"No known container begins like this ({reason})",
            hint="Play it in another program: if it plays there, convert it to MP4, MOV or MKV; if "
            "not, copy it again from its source",
        )
    )


def _pointer(head: bytes, where: str) -> MasterError | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, kind in _POINTERS:
        if pattern.match(text):
            return MasterError(
                "The master only points at other files",
                where=where,
                why=f"It is {kind}, not video; what it names could be anywhere, so it is not "
                "followed",
                hint="Give the video file itself, or join the parts into one file first "
                "(ffmpeg -i LIST -c copy master.mkv)",
            )
    return None


def _other_medium(head: bytes, where: str) -> MasterError | None:
    image = next((name for magic, name in _IMAGES if head.startswith(magic)), None)
    riff = head[8:12] if head.startswith(b"RIFF") else b""
    if image is None and riff == b"WEBP":
        image = "WebP"
    if image is not None:
        return MasterError(
            "The master is a still image",
            where=where,
            why=f"Its content is a {image} picture, whatever its name says",
            hint="Give a video file; a sequence of pictures has to be made into one first",
        )
    audio = next((name for magic, name in _AUDIO if head.startswith(magic)), None)
    if audio is None and riff == b"WAVE":
        audio = "WAV"
    if audio is not None:
        return no_video(where, f"It is a {audio} file, which holds sound only")
    if _is_text(head):
        return MasterError(
            "The master is text, not video",
            where=where,
            why="Its content is readable characters, whatever its name says",
            hint="Check that it is the right file; a failed download often leaves an error page "
            "in its place",
        )
    return None


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        # The last character may be cut in the middle.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    readable = sum(c.isprintable() or c in "\t\n\r\f\x1b" for c in text)
    return readable >= len(text) * 0.95


def _broken_container(path: Path, head: bytes, where: str) -> MasterError | None:
    boxes = top_level(path)
    names = [box.kind for box in boxes]
    if not set(names) & {"ftyp", "moov", "mdat", "moof", "styp"}:
        return None
    if is_encrypted(path, boxes):
        return encrypted(where)
    if "moov" not in names:
        return MasterError(
            "The master is cut off",
            where=where,
            why="It is an MP4 or MOV file without its index (the moov box), which is usually "
            "written last: a copy, download or recording stopped before its end",
            hint="Copy it again from its source; a recording that lost its end may be saved by a "
            "tool such as untrunc",
        )
    if boxes[-1].truncated:
        return MasterError(
            "The master is cut off",
            where=where,
            why=f"Its last box ({names[-1]}) is longer than the file",
            hint="Copy it again from its source",
        )
    return MasterError(
        "The master is damaged",
        where=where,
        why="It is an MP4 or MOV file whose index cannot be understood",
        hint="Copy it again from its source, or remux it with another program",
    )


def encrypted(where: str) -> MasterError:
    """The error for a file whose media are encrypted."""
    return MasterError(
        "The master is encrypted",
        where=where,
        why="Its samples are protected (MPEG common encryption), so that no picture can be decoded "
        "without the key",
        hint="Give the file as it was before protection",
    )


def no_video(where: str, why: str) -> MasterError:
    """The error for a file without moving pictures."""
    return MasterError(
        "The master has no video",
        where=where,
        why=why,
        hint="Give a file with a video track",
    )
