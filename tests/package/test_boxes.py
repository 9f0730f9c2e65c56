"""The box reader: what it finds, and that damage is always named and never believed."""

from __future__ import annotations

import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run
from encoder.media.package import Package, Track
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import read_movie, read_track
from encoder.package.cursor import Box, Damaged
from encoder.package.rewrap import rewrapped, video_rewrap
from encoder.package.sample_entry import parse_sample_entry

from . import independent
from .media import FRAGMENTS, FRAMES, RATE


def test_video_track_is_read(packaged: Package) -> None:
    path = packaged.path / "video/h264-180p.mp4"
    track = read_track(path)
    assert (track.kind, track.width, track.height) == ("video", 320, 180)
    assert (track.sample_rate, track.channels) == (0, 0)
    assert track.timescale == 24000
    assert track.language == "und"
    assert track.samples == FRAMES
    assert track.duration == FRAMES * 1001
    # Key frames 60 and 61 are too near for a fragment of their own.
    assert [f.start // 1001 for f in track.fragments] == list(FRAGMENTS)
    assert all(f.independent for f in track.fragments)
    last = track.fragments[-1]
    assert last.offset + last.size == path.stat().st_size


def test_audio_track_is_read(packaged: Package) -> None:
    track = read_track(packaged.path / "audio/en-6ch.mp4")
    assert (track.kind, track.width, track.height) == ("audio", 0, 0)
    assert (track.sample_rate, track.channels) == (48000, 6)
    assert track.language == "eng"
    assert track.codec_string == "mp4a.40.2"
    assert track.skip == 1024


def test_byte_ranges_are_where_the_boxes_are(packaged: Package) -> None:
    for entry in packaged.tracks:
        path = packaged.path / entry.path
        track = read_track(path)
        boxes = list(independent.top_boxes(path.read_bytes()))
        assert [kind for kind, _, _ in boxes[:3]] == ["ftyp", "moov", "sidx"]
        assert track.header_size == boxes[2][1]
        assert (track.index_offset, track.index_size) == boxes[2][1:]
        moofs = [(offset, size) for kind, offset, size in boxes if kind == "moof"]
        mdats = [size for kind, _, size in boxes if kind == "mdat"]
        expected = [
            (offset, size + data) for (offset, size), data in zip(moofs, mdats, strict=True)
        ]
        assert [(f.offset, f.size) for f in track.fragments] == expected


def test_codec_string_of_h264_is_that_of_its_parameter_sets(packaged: Package) -> None:
    path = packaged.path / "video/h264-180p.mp4"
    data = path.read_bytes()
    record = independent.find(data[:2000], "avcC")
    sps = data.index(b"\x67", record)
    assert read_track(path).codec_string == f"avc1.{data[sps + 1 : sps + 4].hex()}"


def test_codec_string_of_av1(ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path) -> None:
    from encoder.package.package import package

    made = package(ffmpeg, av1, tmp_path)
    # Profile 0, level 2.0, Main tier, 8 bits; the rest is as players assume it.
    assert made.tracks[0].codec_string == "av01.0.00M.08"


def _entry(kind: str, boxes: bytes, header: int = 78) -> Box:
    body = bytes(header) + boxes
    entry = struct.pack(">I4s", 8 + len(body), kind.encode()) + body
    return Box("stsd", struct.pack(">II", 0, 1) + entry, "stsd")


def _box(kind: str, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind.encode()) + payload


@pytest.mark.parametrize(
    ("record", "colour", "expected"),
    [
        # Main profile, level 4.0, 10 bits, 4:2:0: the long form is needed for other colour only.
        ("81084c00", None, "av01.0.08M.10"),
        ("81084c00", "00010001000100", "av01.0.08M.10"),
        ("81084e00", "00090010000900", "av01.0.08M.10.0.112.09.16.09.0"),
        ("8108cc00", "00010001000180", "av01.0.08H.10.0.110.01.01.01.1"),
        # Professional profile, 12 bits, 4:2:2, level 5.1, high tier.
        ("814de800", None, "av01.2.13H.12.0.100.01.01.01.0"),
    ],
)
def test_codec_strings_of_av1_records(record: str, colour: str | None, expected: str) -> None:
    boxes = _box("av1C", bytes.fromhex(record))
    if colour is not None:
        boxes += _box("colr", b"nclx" + bytes.fromhex(colour))
    assert parse_sample_entry(_entry("av01", boxes), "vide").codec_string == expected


@pytest.mark.parametrize(
    ("config", "codec", "channels"),
    [
        ("1190", "mp4a.40.2", 2),
        ("11b0", "mp4a.40.2", 6),
        ("1188", "mp4a.40.2", 1),
        ("11e0", "mp4a.40.2", 8),
        ("2b098800", "mp4a.40.5", 1),
        # Object type 42 (xHE-AAC) is written with an escape.
        ("f94640", "mp4a.40.42", 2),
    ],
)
def test_codec_strings_of_mpeg4_audio(config: str, codec: str, channels: int) -> None:
    specific = bytes.fromhex(config)
    decoder = b"\x40" + bytes(12) + b"\x05" + bytes([len(specific)]) + specific
    stream = bytes(3) + b"\x04" + bytes([len(decoder)]) + decoder
    esds = _box("esds", bytes(4) + b"\x03\x80\x80" + bytes([0x80, len(stream)]) + stream)
    found = parse_sample_entry(_entry("mp4a", esds, 28), "soun")
    assert (found.codec_string, found.channels) == (codec, channels)


@pytest.mark.parametrize(
    ("entry", "handler", "why"),
    [
        (_entry("hev1", b""), "vide", "not packaged"),
        (_entry("avc1", b""), "vide", "no avcC"),
        (_entry("avc1", _box("avcC", b"\x02\x64\x00\x28")), "vide", "unknown version"),
        (_entry("avc1", _box("avcC", b"\x01\x64")), "vide", "ends after 2 bytes"),
        (_entry("avc1", _box("pasp", struct.pack(">II", 4, 3))), "vide", "not square"),
        (_entry("dtsc", b"", 28), "soun", "not packaged"),
        (_entry("mp4a", _box("esds", bytes(4) + b"\x03\xff\xff\xff\xff"), 28), "soun", "its size"),
    ],
)
def test_sample_entries_that_are_refused(entry: Box, handler: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        parse_sample_entry(entry, handler)


def damaged(tmp_path: Path, data: bytes) -> PackageError:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with pytest.raises(PackageError) as caught:
        read_track(path)
    assert caught.value.where == str(path)
    return caught.value


@pytest.fixture
def audio(packaged: Package) -> bytes:
    return (packaged.path / "audio/fr-2ch.mp4").read_bytes()


@pytest.fixture
def video(packaged: Package) -> bytes:
    return (packaged.path / "video/h264-90p.mp4").read_bytes()


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, video: bytes) -> None:
    ends = {offset + cut for _, offset, size in independent.top_boxes(video) for cut in (0, 5, 8)}
    ends |= {len(video) - 1}
    for end in sorted(ends):
        # Without its last fragments a file is whole as boxes go, but its index knows.
        damaged(tmp_path, video[:end])


def test_nothing_may_follow_the_fragments(tmp_path: Path, video: bytes) -> None:
    assert "whole fragments" in damaged(tmp_path, video + _box("free", b"")).why


def _patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def test_a_gap_in_decoding_time_is_named(tmp_path: Path, video: bytes) -> None:
    second = video.index(b"tfdt", video.index(b"tfdt") + 1)
    late = struct.unpack(">Q", video[second + 8 : second + 16])[0] + 1001
    why = damaged(tmp_path, _patched(video, second + 8, struct.pack(">Q", late))).why
    assert why == "fragment 2 starts at tick 61061, the one before it ends at 60060"


def test_samples_that_lie_elsewhere_are_named(tmp_path: Path, video: bytes) -> None:
    trun = video.index(b"trun")
    size = video[trun + 16 : trun + 20]
    more = struct.pack(">I", struct.unpack(">I", size)[0] + 1)
    assert "disagree about where" in damaged(tmp_path, _patched(video, trun + 16, more)).why


def test_an_index_that_lies_is_named(tmp_path: Path, audio: bytes) -> None:
    entry = independent.find(audio[:2000], "sidx") + 4 + 8 + 16 + 4
    size, duration, access = struct.unpack(">III", audio[entry : entry + 12])
    for lie in ((size + 1, duration, access), (size, duration + 1, access), (size, duration, 0)):
        why = damaged(tmp_path, _patched(audio, entry, struct.pack(">III", *lie))).why
        assert "sidx" in why
        assert "fragment 1" in why


def test_edit_lists_that_players_ignore_are_refused(tmp_path: Path, audio: bytes) -> None:
    elst = independent.find(audio[:2000], "elst")
    for lie in (struct.pack(">i", -1), struct.pack(">iI", 1024, 0x20000)):
        assert "its edit" in damaged(tmp_path, _patched(audio, elst + 12, lie)).why


def test_a_sample_count_beyond_its_box_is_refused_at_once(tmp_path: Path, video: bytes) -> None:
    trun = video.index(b"trun")
    many = _patched(video, trun + 8, b"\xff\xff\xff\xff")
    assert "announces 4294967295 samples" in damaged(tmp_path, many).why
    # The same when no sample needs a place in the table.
    flags = _patched(many, trun + 4, b"\x00\x00\x00\x05")
    assert "announces 4294967295 samples" in damaged(tmp_path, flags).why


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_damage_is_refused_or_harmless(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, packaged: Package
) -> None:
    source = packaged.path / data.draw(st.sampled_from(["video/h264-90p.mp4", "audio/fr-2ch.mp4"]))
    content = bytearray(source.read_bytes())
    headers = [
        at
        for kind, offset, size in independent.top_boxes(bytes(content))
        for at in range(offset, offset + (8 if kind == "mdat" else size))
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.sampled_from(headers))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "random.mp4"
    path.write_bytes(content)
    # What was changed without notice means nothing for the layout: brands, names, decoder setup.
    with suppress(PackageError):
        assert _layout(read_track(path)) == _layout(read_track(source))


def _layout(track: Track) -> tuple[object, ...]:
    fragments = tuple((f.offset, f.size, f.samples) for f in track.fragments)
    return (track.header_size, track.index_offset, track.index_size, fragments)


def test_an_ordinary_mp4_file_is_refused(renditions: RenditionSet) -> None:
    with pytest.raises(PackageError, match=r"ftyp free mdat|ftyp moov mdat|starts with"):
        read_track(renditions.video[0].path)


def test_a_rewrapped_file_has_no_index_yet(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    jobs = [video_rewrap(renditions.video[0].path, renditions.frame_rate)]
    target = next(rewrapped(ffmpeg, jobs, tmp_path))
    with pytest.raises(PackageError, match="not ftyp moov sidx"):
        read_track(target)


def test_negative_composition_offsets_are_read(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    target = tmp_path / "cmaf.mp4"
    flags = ["-use_editlist", "0", "-movflags", "+cmaf+skip_trailer+frag_keyframe"]
    source = ["-i", f"file:{renditions.video[0].path}", "-c", "copy"]
    run(ffmpeg, [*source, *flags, "-f", "mp4", f"file:{target}"])
    movie = read_movie(target, indexed=False)
    assert movie.track.skip == 0
    assert min(offset for one in movie.runs for offset in one.offsets) < 0
    times = sorted(time for one in movie.runs for time in one.presentation_times())
    assert times == [n * movie.track.timescale / RATE for n in range(FRAMES)]


def test_durations_agree_with_another_demuxer(packaged: Package) -> None:
    for entry in packaged.tracks:
        with av.open(str(packaged.path / entry.path)) as container:
            stream = container.streams[0]
            assert stream.time_base is not None
            found = [p for p in container.demux(stream) if p.size]
            assert len(found) == entry.frames
            end = max((p.pts or 0) + (p.duration or 0) for p in found) * stream.time_base
            assert abs(end - entry.duration) <= Fraction(1, 24)
