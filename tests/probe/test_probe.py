"""What a master says of itself: streams, tags, HDR metadata, and its oddities."""

from __future__ import annotations

import hashlib
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.master import Master
from encoder.media.serial import from_plain, to_plain
from encoder.probe.boxes import dolby_vision_profile
from encoder.probe.colour import content_light, hdr, mastering_display
from encoder.probe.digest import digest_file
from encoder.probe.packets import shows_vp9
from encoder.probe.probe import probe

from .clips import LOSSLESS, make, numbered

SUBTITLES = "1\n00:00:00,000 --> 00:00:01,000\nGuten Tag\n"
CHAPTERS = """;FFMETADATA1
title=Ein Film
[CHAPTER]
TIMEBASE=1/1000
START=0
END=800
title=Eins
[CHAPTER]
TIMEBASE=1/1000
START=800
END=2000
title=Zwei
"""


@pytest.fixture(scope="module")
def feature(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with everything: sound in two languages, subtitles, chapters, a cover, timecode."""
    folder = tmp_path_factory.mktemp("feature")
    (folder / "s.srt").write_text(SUBTITLES)
    (folder / "c.txt").write_text(CHAPTERS)
    cover = make(ffmpeg, folder / "c.png", "-f", "lavfi", "-i", "testsrc=s=320x240:d=1:r=1")
    return make(
        ffmpeg,
        folder / "feature.mp4",
        *("-i", f"file:{cover}", *numbered(size="96x64")),
        *("-f", "lavfi", "-i", "sine=d=2:r=48000", "-f", "lavfi", "-i", "sine=d=2:r=44100"),
        *("-i", f"file:{folder / 's.srt'}", "-i", f"file:{folder / 'c.txt'}"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-map_metadata", "5"),
        *("-c:v:0", "png", "-c:v:1", "libx264", "-c:a", "aac", "-c:s", "mov_text"),
        *("-ac:a:0", "2", "-channel_layout:a:1", "mono", "-disposition:v:0", "attached_pic"),
        *("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=fra"),
        *("-metadata:s:s:0", "language=ger", "-disposition:a:1", "comment"),
        *("-metadata:s:v:1", "language=eng", "-timecode", "01:02:03:04"),
    )


def test_every_stream_is_told(ffmpeg: Ffmpeg, feature: Path) -> None:
    master = probe(feature, ffmpeg)
    video = master.video
    assert (video.codec, video.width, video.height, video.frames) == ("h264", 96, 64, 50)
    assert (video.pixel_format, video.bit_depth) == ("yuv420p", 8)
    assert video.language == "eng"
    assert video.timecode == "01:02:03:04"
    assert "default" in video.disposition
    assert [v.disposition for v in master.other_video] == [("attached_pic",)]
    first, second = master.audio
    assert (first.codec, first.language, first.sample_rate) == ("aac", "ger", 48000)
    assert (first.channels, first.layout) == (2, "stereo")
    assert (second.language, second.channels, second.disposition) == ("fra", 1, ("comment",))
    assert abs(first.duration - 2) < Fraction(1, 10)
    assert [(t.codec, t.language) for t in master.text] == [("mov_text", "ger")]
    assert [(c.start, c.end, c.title) for c in master.chapters] == [
        (0, Fraction(4, 5), "Eins"),
        (Fraction(4, 5), 2, "Zwei"),
    ]
    assert ("title", "Ein Film") in master.tags
    assert master.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert master.size == feature.stat().st_size
    assert abs(master.duration - 2) < Fraction(1, 10)


def test_the_digest_is_the_content_s(ffmpeg: Ffmpeg, feature: Path) -> None:
    expected = hashlib.sha256(feature.read_bytes()).hexdigest()
    assert digest_file(feature) == expected
    assert probe(feature, ffmpeg).digest == expected
    assert probe(feature, ffmpeg, digest="known").digest == "known"


def test_a_master_goes_through_json(ffmpeg: Ffmpeg, feature: Path) -> None:
    master = probe(feature, ffmpeg)
    assert from_plain(to_plain(master), Master) == master


def test_the_default_track_is_the_main_one(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg,
        tmp_path / "two.mkv",
        *(*numbered(size="128x96"), *numbered(size="64x48"), "-map", "0", "-map", "1"),
        *("-disposition:0", "0", "-disposition:1", "default", *LOSSLESS),
    )
    master = probe(path, ffmpeg)
    assert (master.video.index, master.video.width) == (1, 64)
    assert [v.width for v in master.other_video] == [128]


def test_without_a_default_the_largest_is(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg,
        tmp_path / "two.mkv",
        *(*numbered(size="64x48"), *numbered(size="128x96"), "-map", "0", "-map", "1"),
        *("-disposition:0", "0", "-disposition:1", "0", *LOSSLESS),
    )
    assert probe(path, ffmpeg).video.width == 128


def test_hdr_metadata(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    colour = (
        "setparams=range=limited:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    )
    path = make(
        ffmpeg,
        tmp_path / "h.mp4",
        *("-f", "lavfi", "-i", f"testsrc2=s=128x96:r=25,format=yuv420p10le,{colour}"),
        *("-frames:v", "5", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
        f"log-level=none:master-display={display}:max-cll=1000,400",
    )
    video = probe(path, ffmpeg).video
    assert video.hdr is not None
    assert video.hdr.mastering_display == display
    assert (video.hdr.max_content_light, video.hdr.max_average_light) == (1000, 400)
    assert video.colour.is_hdr


def test_mastering_display_side_data() -> None:
    chromaticities = [34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450]
    numbers = [n for value in chromaticities for n in (value, 50000)]
    data = struct.pack("=20i2i", *numbers, 50, 10000, 10_000_000, 10000, 1, 1)
    assert mastering_display(data) == (
        "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    )
    assert mastering_display(data[:-8] + struct.pack("=2i", 1, 0)) is None
    assert mastering_display(data[:40]) is None


def test_no_metadata_is_none() -> None:
    assert hdr(b"", b"", None) is None
    assert content_light(struct.pack("=2I", 0, 0)) is None
    assert content_light(struct.pack("=2I", 1000, 0)) == (1000, 0)


RECORD = bytes([1, 0, 8 << 1, 0x2D]) + bytes(20)


@pytest.mark.parametrize("kind", [b"dvcC", b"dvvC"])
def test_dolby_vision_profiles_of_mp4(tmp_path: Path, kind: bytes) -> None:
    box = (8 + len(RECORD)).to_bytes(4, "big") + kind + RECORD
    path = tmp_path / "d.mp4"
    path.write_bytes(b"\0\0\0\x08ftyp" + (8 + len(box)).to_bytes(4, "big") + b"moov" + box)
    assert dolby_vision_profile(path) == 8


def test_dolby_vision_profiles_of_matroska(tmp_path: Path) -> None:
    path = tmp_path / "d.mkv"
    mapping = b"\x41\xe7\x84dvcC\x41\xed\x98" + RECORD
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(50) + mapping)
    assert dolby_vision_profile(path) == 8


def test_no_dolby_vision(feature: Path, tmp_path: Path) -> None:
    assert dolby_vision_profile(feature) is None
    (tmp_path / "x").write_bytes(b"no box at all, but text")
    assert dolby_vision_profile(tmp_path / "x") is None


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x82\x49", True),  # profile 0, a key frame that is shown
        (b"\x80\x49", False),  # profile 0, a key frame that is not
        (b"\x84\x00", False),  # an inter frame that is not
        (b"\x86\x00", True),
        (b"\x88", True),  # an existing frame is shown
        (b"\x80\x49\xc9", True),  # a superframe
        (b"\xb0\x00", False),  # profile 3 has a bit more
        (b"\xb1\x00", True),
    ],
)
def test_vp9_frame_headers(data: bytes, shown: bool) -> None:
    assert shows_vp9(data) is shown


def test_bogus_durations_are_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "d.mp4", *numbered(), *LOSSLESS, "-movflags", "+frag_keyframe")
    data = bytearray(path.read_bytes())
    # The movie header of a fragmented file, where nothing but the claim is: an hour.
    place = data.index(b"mvhd")
    timescale = int.from_bytes(data[place + 16 : place + 20], "big")
    data[place + 20 : place + 24] = (3600 * timescale).to_bytes(4, "big")
    path.write_bytes(data)
    assert probe(path, ffmpeg).duration == 2


def test_files_cut_off_in_the_middle_are_read_as_far_as_they_go(
    ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    path = make(
        ffmpeg, tmp_path / "c.mp4", *numbered(), *LOSSLESS, "-g", "1", "-movflags", "+faststart"
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    master = probe(path, ffmpeg)
    assert 10 < master.video.frames < 50
    assert any("damaged or cut off" in defect for defect in master.defects)


def test_an_alpha_channel_is_ignored_and_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg,
        tmp_path / "a.webm",
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25,format=yuva420p", "-frames:v", "5"),
        *("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime"),
    )
    master = probe(path, ffmpeg)
    assert "The video has an alpha channel, which is ignored" in master.defects
