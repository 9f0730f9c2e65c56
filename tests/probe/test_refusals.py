"""Files that are no masters: each refused with its own explanation, never with a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from encoder.errors import ExitCode, MasterError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.probe.probe import probe

from .clips import LOSSLESS, make, numbered

PLAYLIST = b"#EXTM3U\n#EXTINF:4,\nhttp://example.com/a.ts\n"
MANIFEST = b'<?xml version="1.0"?>\n<!-- x -->\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n"

CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": ("Grüße. ".encode() * 500, "is text"),
    "zeros": (bytes(5000), "not a video file"),
    "garbage": (bytes((n * n * 7 + n // 3) % 256 for n in range(60_000)), "not a video file"),
    "HLS": (PLAYLIST, "only points at other files"),
    "HLS with a mark": (b"\xef\xbb\xbf" + PLAYLIST, "only points at other files"),
    "concat": (b"ffconcat version 1.0\nfile /etc/passwd\n", "only points at other files"),
    "concat without a head": (b"file '/etc/passwd'\nfile b.mp4\n", "only points at other files"),
    "SDP": (SDP, "only points at other files"),
    "DASH": (MANIFEST, "only points at other files"),
    "PLS": (b"[playlist]\nFile1=http://example.com/x\n", "only points at other files"),
    "WAV": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(100), "has no video"),
    "FLAC": (b"fLaC" + bytes(100), "has no video"),
    "GIF": (b"GIF89a" + bytes(100), "still image"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100), "still image"),
    "MP4 without index": (
        b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\xff\xffmdat" + bytes(3000),
        "cut off",
    ),
    "MP4 with a broken index": (
        b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\0\x18moov\0\0\0\x10trak" + bytes(8),
        "has no video|is damaged|not a video file",
    ),
}


def refused(path: Path, ffmpeg: Ffmpeg) -> MasterError:
    """The error of probing, which must be complete."""
    with pytest.raises(MasterError) as caught:
        probe(path, ffmpeg)
    error = caught.value
    assert error.exit_code == ExitCode.MASTER
    assert error.where == str(path)
    assert error.what
    assert error.hint
    # It is told as it is, not as the consequence of another one.
    assert error.__cause__ is None
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ""])
def test_contents_that_are_no_video(ffmpeg: Ffmpeg, tmp_path: Path, name: str, suffix: str) -> None:
    content, words = CONTENTS[name]
    path = tmp_path / f"master{suffix}"
    path.write_bytes(content)
    assert any(word in refused(path, ffmpeg).what for word in words.split("|"))


def test_each_refusal_is_distinct(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    told = set()
    for name in ("empty", "text", "garbage", "HLS", "WAV", "GIF", "MP4 without index"):
        path = tmp_path / "master.mp4"
        path.write_bytes(CONTENTS[name][0])
        told.add(refused(path, ffmpeg).what)
    assert len(told) == 7


def test_nothing_there(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    assert "no such master" in refused(tmp_path / "film.mov", ffmpeg).what
    link = tmp_path / "link.mov"
    link.symlink_to(tmp_path / "gone.mov")
    assert "link" in refused(link, ffmpeg).why


def test_a_path_through_a_file(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "cannot be read" in refused(tmp_path / "file" / "film.mov", ffmpeg).what


def test_a_folder(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    assert "folder" in refused(tmp_path, ffmpeg).what


def test_a_pipe_is_not_waited_for(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "not a file" in refused(path, ffmpeg).what


def test_no_permission(ffmpeg: Ffmpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.mov"
    path.write_bytes(b"x")

    def deny(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied", str(self))

    # The tests may run as a user whom no permission stops.
    monkeypatch.setattr(Path, "open", deny)
    assert "may not be read" in refused(path, ffmpeg).what


Maker = Callable[[Ffmpeg, Path], Path]


def audio_only(ffmpeg: Ffmpeg, folder: Path) -> Path:
    return make(ffmpeg, folder / "a.mp4", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac")


def cover_only(ffmpeg: Ffmpeg, folder: Path) -> Path:
    return make(
        ffmpeg,
        folder / "c.mp4",
        *("-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "testsrc=s=64x48:d=1:r=1"),
        *("-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "png", "-disposition:v", "attached_pic"),
    )


def no_pictures(ffmpeg: Ffmpeg, folder: Path) -> Path:
    path = make(ffmpeg, folder / "n.mp4", *numbered(frames=3), *LOSSLESS)
    data = bytearray(path.read_bytes())
    # No samples: neither sizes, times, chunks nor their places; each table's count follows its
    # version and flags, that of sizes after a common size.
    for kind, offset in ((b"stsz", 12), (b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"ctts", 8)):
        place = data.find(kind)
        if place >= 0:
            data[place + offset : place + offset + 4] = bytes(4)
    path.write_bytes(data)
    return path


def unknown_codec(ffmpeg: Ffmpeg, folder: Path) -> Path:
    path = make(ffmpeg, folder / "u.mp4", *numbered(frames=3), *LOSSLESS)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    return path


def encrypted(ffmpeg: Ffmpeg, folder: Path) -> Path:
    return make(
        ffmpeg,
        folder / "e.mp4",
        *(*numbered(frames=10), *LOSSLESS, "-encryption_scheme", "cenc-aes-ctr"),
        *("-encryption_key", "00112233445566778899aabbccddeeff"),
        *("-encryption_kid", "ffeeddccbbaa99887766554433221100"),
    )


def encrypted_pieces(ffmpeg: Ffmpeg, folder: Path) -> Path:
    path = encrypted(ffmpeg, folder)
    data = path.read_bytes()
    # An index whose sample information FFmpeg cannot follow.
    path.write_bytes(data.replace(b"stbl", b"free", 1))
    return path


def headless(ffmpeg: Ffmpeg, folder: Path) -> Path:
    path = make(ffmpeg, folder / "h.h264", *numbered(), *LOSSLESS, "-g", "500")
    data = path.read_bytes()
    # Without its parameter sets and its first picture: from the middle on.
    path.write_bytes(data[data.index(b"\0\0\1", len(data) // 2) :])
    return path


def sounds_in_a_picture(ffmpeg: Ffmpeg, folder: Path) -> Path:
    image = make(ffmpeg, folder / "i.png", "-f", "lavfi", "-i", "testsrc=s=64x48:d=1:r=1")
    return image.rename(folder / "i.mp4")


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        (audio_only, "has no video"),
        (cover_only, "has no video"),
        (no_pictures, "has no video"),
        (unknown_codec, "codec is not known"),
        (encrypted, "is encrypted"),
        (encrypted_pieces, "is encrypted"),
        (headless, "No picture of the master can be decoded|not a video file"),
        (sounds_in_a_picture, "still image"),
    ],
)
def test_media_that_are_no_masters(
    ffmpeg: Ffmpeg, tmp_path: Path, maker: Maker, words: str
) -> None:
    found = refused(maker(ffmpeg, tmp_path), ffmpeg)
    assert any(word in found.what for word in words.split("|")), str(found)


def test_why_there_is_no_video_is_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    reasons = [refused(m(ffmpeg, tmp_path), ffmpeg).why for m in (audio_only, cover_only)]
    reasons.append(refused(no_pictures(ffmpeg, tmp_path), ffmpeg).why)
    assert "only audio" in reasons[0]
    assert "cover art" in reasons[1]
    assert "no pictures" in reasons[2]


def test_masters_do_not_reach_out(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    """A playlist next to a real segment is refused, though FFmpeg itself would play it."""
    make(ffmpeg, tmp_path / "a.ts", *numbered(frames=10), *LOSSLESS)
    path = tmp_path / "film.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\na.ts\n#EXT-X-ENDLIST\n")
    assert "only points at other files" in refused(path, ffmpeg).what
