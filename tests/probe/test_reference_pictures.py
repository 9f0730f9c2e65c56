"""Masters of every kind to reference pictures: frame counts and pixels of the real chain."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from encoder.ffmpeg.graph import arguments, open_master
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run, stream
from encoder.media.master import Master
from encoder.probe.conform import decide_conform
from encoder.probe.packets import survey
from encoder.probe.probe import probe

from .clips import LOSSLESS, Pictures, conformed, luma, make, numbered, numbers, planes
from .containers import insert_in_sample_entry, overwrite_sample

PICTURE = "testsrc=s=96x64:r=25,format=yuv420p"
FILM = Fraction(24000, 1001)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turned_and_mirrored_pictures_stand_upright(
    ffmpeg: Ffmpeg, tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    flat = make(
        ffmpeg, tmp_path / "f.mp4", "-f", "lavfi", "-i", PICTURE, "-frames:v", "3", *LOSSLESS
    )
    # FFmpeg's option turns counter-clockwise, and flips afterwards.
    options = ["-display_rotation", str(-rotation if not mirrored else rotation)]
    options += ["-display_hflip"] if mirrored else []
    path = make(ffmpeg, tmp_path / "t.mp4", *options, "-i", f"file:{flat}", "-c", "copy")
    master, conform, pictures = conformed(ffmpeg, path)
    assert (master.video.rotation, master.video.mirrored) == (rotation, mirrored)
    # By numpy's idea of it, and by FFmpeg's own.
    source = luma_by_default(ffmpeg, flat, 96, 64)[0]
    expected = np.rot90(np.fliplr(source) if mirrored else source, -rotation // 90)
    assert np.array_equal(pictures[0], expected)
    assert np.array_equal(pictures, luma_by_default(ffmpeg, path, conform.width, conform.height))


def luma_by_default(ffmpeg: Ffmpeg, path: Path, width: int, height: int) -> Pictures:
    """The luma that FFmpeg gives by itself."""
    arguments = ["-i", f"file:{path}", "-vf", "extractplanes=y", "-f", "rawvideo", "pipe:1"]
    with stream(ffmpeg, arguments) as running:
        data = running.stdout.read()
        running.finish()
    return np.frombuffer(data, np.uint8).reshape(-1, height, width)


def test_no_turn_leaks_into_an_output(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    flat = make(ffmpeg, tmp_path / "f.mp4", "-f", "lavfi", "-i", PICTURE, "-frames:v", "3")
    path = make(
        ffmpeg, tmp_path / "t.mp4", "-display_rotation", "90", "-i", f"file:{flat}", "-c", "copy"
    )
    master = probe(path, ffmpeg)
    assert master.video.rotation == 270
    output = open_master(path, decide_conform(master)).output("file:out.mp4")
    run(ffmpeg, arguments(output), folder=tmp_path)
    again = probe(tmp_path / "out.mp4", ffmpeg).video
    assert (again.rotation, again.mirrored) == (0, False)
    assert (again.width, again.height) == (64, 96)


@pytest.mark.parametrize(
    ("aspect", "size"), [("4/3", (128, 64)), ("1/2", (96, 128)), ("1/1", (96, 64))]
)
def test_pixels_become_square(
    ffmpeg: Ffmpeg, tmp_path: Path, aspect: str, size: tuple[int, int]
) -> None:
    graph = f"{PICTURE},setsar={aspect}"
    path = make(ffmpeg, tmp_path / "a.mp4", "-f", "lavfi", "-i", graph, "-frames:v", "2", *LOSSLESS)
    master, conform, pictures = conformed(ffmpeg, path)
    assert master.video.sample_aspect == Fraction(aspect)
    assert (conform.width, conform.height) == size
    assert pictures.shape == (2, size[1], size[0])
    # The picture is stretched, not cropped: means of its quarters stay.
    source = luma_by_default(ffmpeg, path, 96, 64)[0].astype(float)
    for part in (np.s_[:, :2], np.s_[:, -2:], np.s_[:2, :], np.s_[-2:, :]):
        assert abs(source[part].mean() - pictures[0][part].astype(float).mean()) < 12


def test_turning_turns_the_sample_aspect(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = f"{PICTURE},setsar=4/3"
    flat = make(ffmpeg, tmp_path / "f.mp4", "-f", "lavfi", "-i", graph, "-frames:v", "2")
    path = make(
        ffmpeg, tmp_path / "t.mp4", "-display_rotation", "90", "-i", f"file:{flat}", "-c", "copy"
    )
    master, conform, pictures = conformed(ffmpeg, path)
    assert (conform.width, conform.height) == (64, 128)
    assert master.video.display_aspect == Fraction(1, 2)
    assert pictures.shape == (2, 128, 64)


def test_odd_sizes_lose_their_last_row_and_column(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = "testsrc=s=101x67:r=25,format=yuv420p"
    path = make(
        ffmpeg, tmp_path / "o.mkv", "-f", "lavfi", "-i", graph, "-frames:v", "2", "-c:v", "ffv1"
    )
    _, conform, pictures = conformed(ffmpeg, path)
    assert (conform.width, conform.height) == (100, 66)
    assert np.array_equal(pictures, luma_by_default(ffmpeg, path, 101, 67)[:, :66, :100])


def test_full_range_becomes_limited(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = "color=s=256x16:r=25,format=yuv420p,geq=lum='X':cb='255-2*X':cr='2*X'"
    graph += ",setparams=range=full:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    path = make(
        ffmpeg,
        tmp_path / "f.mkv",
        *("-f", "lavfi", "-i", graph, "-frames:v", "2", *LOSSLESS),
    )
    master = probe(path, ffmpeg)
    assert master.video.colour.range == "full"
    y, u, v = planes(ffmpeg, path, decide_conform(master))
    ramp = np.arange(256)
    assert np.abs(y[0, 8] - (16 + ramp * 219 / 255)).max() <= 1
    half = np.arange(128) * 2
    assert np.abs(v[0, 4] - (128 + (half - 128) * 224 / 255)).max() <= 1
    assert np.abs(u[0, 4] - (128 + (127 - half) * 224 / 255)).max() <= 1


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ("0xFFFFFF", (235, 128, 128)),
        ("0x000000", (16, 128, 128)),
        ("0xFF0000", (63, 102, 240)),
        ("0x00FF00", (173, 42, 26)),
        ("0x0000FF", (32, 240, 118)),
    ],
)
def test_rgb_becomes_bt709(
    ffmpeg: Ffmpeg, tmp_path: Path, rgb: str, expected: tuple[int, int, int]
) -> None:
    graph = f"color={rgb}:s=32x32:r=25,format=gbrp"
    path = make(
        ffmpeg, tmp_path / "r.mkv", "-f", "lavfi", "-i", graph, "-frames:v", "2", "-c:v", "ffv1"
    )
    found = planes(ffmpeg, path, decide_conform(probe(path, ffmpeg)))
    assert [int(plane[0, 5, 5]) for plane in found] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("pixel_format", ["yuv422p10le", "yuv444p12le", "yuv444p", "yuva420p"])
def test_other_formats_keep_their_values(ffmpeg: Ffmpeg, tmp_path: Path, pixel_format: str) -> None:
    depth = {"yuv422p10le": 10, "yuv444p12le": 12}.get(pixel_format, 8)
    graph = f"color=s=64x32:r=25,format={pixel_format},geq=lum='(16+2*X)*{1 << (depth - 8)}'"
    graph += f":cb='{90 << (depth - 8)}':cr='{170 << (depth - 8)}'"
    path = make(
        ffmpeg, tmp_path / "p.mkv", "-f", "lavfi", "-i", graph, "-frames:v", "2", "-c:v", "ffv1"
    )
    master = probe(path, ffmpeg)
    assert (master.video.pixel_format, master.video.bit_depth) == (pixel_format, depth)
    y, u, v = planes(ffmpeg, path, decide_conform(master))
    assert np.abs(y[0, 5].astype(int) - (16 + 2 * np.arange(64))).max() <= 1
    assert (int(u[0, 5, 5]), int(v[0, 5, 5])) == (90, 170)


def signal(transfer: str, luminance: float) -> float:
    """The 10-bit limited-range code of a luminance in cd/m2 (BT.2100)."""
    if transfer == "smpte2084":
        y = (luminance / 10_000) ** 0.1593017578125
        e = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    else:
        scene = (luminance / 1000) ** (1 / 1.2)
        e = (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892)
        e += 0.55991073 if scene > 1 / 12 else 0
    return 64 + 876 * float(e)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_lands_where_sdr_expects_it(ffmpeg: Ffmpeg, tmp_path: Path, transfer: str) -> None:
    # Black, a dark grey, diffuse white, and the peak.
    found = []
    for number, luminance in enumerate((0.0, 20.0, 203.0, 1000.0)):
        graph = (
            f"color=s=64x64:r=25,format=yuv420p10le,geq=lum={round(signal(transfer, luminance))}"
            f":cb=512:cr=512,setparams=range=limited:color_primaries=bt2020:color_trc={transfer}"
            ":colorspace=bt2020nc"
        )
        path = make(
            ffmpeg,
            tmp_path / f"{number}.mkv",
            *("-f", "lavfi", "-i", graph, "-frames:v", "2", "-c:v", "ffv1"),
        )
        master, conform, pictures = conformed(ffmpeg, path)
        assert master.video.colour.transfer == transfer
        assert conform.tone_mapped
        found.append(float(pictures[0].mean()))
    black, dark, white, peak = found
    assert black == pytest.approx(16, abs=1)
    # A tenth of diffuse white keeps its linear value: 0.0985 ** (1 / 2.4) of the signal.
    assert dark == pytest.approx(16 + 219 * 0.0985 ** (1 / 2.4), abs=4)
    assert white == pytest.approx(16 + 219 * 0.85, abs=5)
    assert peak == pytest.approx(235, abs=2)


def test_wide_gamut_sdr_becomes_bt709(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = (
        "color=s=64x64:r=25,format=yuv420p10le,geq=lum=502:cb=512:cr=640,"
        "setparams=range=limited:color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc"
    )
    path = make(
        ffmpeg, tmp_path / "w.mkv", "-f", "lavfi", "-i", graph, "-frames:v", "2", "-c:v", "ffv1"
    )
    master = probe(path, ffmpeg)
    conform = decide_conform(master)
    assert not conform.tone_mapped
    _, u, v = planes(ffmpeg, path, conform)
    # The same red needs more saturation in the narrower gamut.
    assert int(v[0, 9, 9]) > 128 + 128 // 4 + 5
    assert abs(int(u[0, 9, 9]) - 128) < 25


@pytest.mark.parametrize("rate", ["24000/1001", "25", "60000/1001", "35"])
@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_constant_masters_lose_and_double_nothing(
    ffmpeg: Ffmpeg, tmp_path: Path, rate: str, kind: str
) -> None:
    path = make(ffmpeg, tmp_path / f"c.{kind}", *numbered(rate=rate), *LOSSLESS)
    master, conform, pictures = conformed(ffmpeg, path)
    assert (master.video.frame_rate, master.video.cadence) == (Fraction(rate), "constant")
    assert conform.frame_rate == Fraction(rate)
    assert numbers(pictures) == list(range(50))
    assert master.video.frames == 50
    assert master.video.duration == 50 / Fraction(rate)


def test_encoders_are_told_the_rate(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "c.mkv", *numbered(rate="24000/1001"), *LOSSLESS)
    conform = decide_conform(probe(path, ffmpeg))
    output = open_master(path, conform).output(
        "file:out.h264", f="h264", fps_mode="passthrough", **{"c:v": "libx264"}
    )
    run(ffmpeg, arguments(output), folder=tmp_path)
    with av.open(str(tmp_path / "out.h264")) as container:
        # Of a raw stream there is no other source than the encoder's own timing.
        assert container.streams.video[0].codec_context.framerate == FILM


def test_signalled_colour_reaches_the_file(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "c.mkv", *numbered(size="720x576"), *LOSSLESS)
    conform = decide_conform(probe(path, ffmpeg))
    output = open_master(path, conform).output("file:out.mp4", **{"c:v": "libx264"})
    run(ffmpeg, arguments(output), folder=tmp_path)
    again = probe(tmp_path / "out.mp4", ffmpeg).video
    assert again.colour == conform.colour
    assert again.colour.primaries == "bt470bg"
    assert again.field_order == "progressive"
    assert again.sample_aspect == 1


def test_variable_rates_hold_pictures_for_their_time(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    kept = [n for n in range(50) if n % 6 not in (3, 4)]
    path = make(
        ffmpeg,
        tmp_path / "v.mkv",
        *numbered(),
        *("-vf", "select='not(eq(mod(n,6),3)+eq(mod(n,6),4))'", "-fps_mode", "vfr", *LOSSLESS),
    )
    master, conform, pictures = conformed(ffmpeg, path)
    assert master.video.cadence == "variable"
    assert conform.frame_rate == 25
    assert master.video.frames == len(kept)
    shown = [max(k for k in kept if k <= n) for n in range(50)]
    assert numbers(pictures) == shown


def test_fast_masters_are_thinned_out(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "f.mp4", *numbered(rate="240"), *LOSSLESS)
    _, conform, pictures = conformed(ffmpeg, path, max_frame_rate=Fraction(60))
    assert conform.frame_rate == 60
    assert numbers(pictures) == list(range(0, 50, 4))


def test_a_late_start_is_told_to_audio(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg,
        tmp_path / "l.mkv",
        *("-itsoffset", "0.52", *numbered(), "-f", "lavfi", "-i", "sine=d=2"),
        *("-map", "0", "-map", "1", *LOSSLESS),
    )
    master, conform, pictures = conformed(ffmpeg, path)
    assert conform.audio_offset == master.video.start == Fraction(52, 100)
    assert numbers(pictures) == list(range(50))


def test_a_clock_that_starts_anywhere(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg, tmp_path / "t.ts", *numbered(), *LOSSLESS, "-output_ts_offset", "5000", "-g", "10"
    )
    master, conform, pictures = conformed(ffmpeg, path)
    assert conform.audio_offset == master.video.start > 5000
    assert numbers(pictures) == list(range(50))


def test_edit_lists_hide_what_they_hide(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    whole = make(ffmpeg, tmp_path / "w.mp4", *numbered(), *LOSSLESS, "-g", "30")
    path = make(ffmpeg, tmp_path / "e.mp4", "-ss", "0.4", "-i", f"file:{whole}", "-c", "copy")
    master, _, pictures = conformed(ffmpeg, path)
    assert numbers(pictures) == list(range(10, 50))
    assert master.video.frames == 40


def test_what_the_container_cuts_is_not_shown(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = "testsrc=s=96x64:r=25,format=yuv420p"
    path = make(ffmpeg, tmp_path / "c.mp4", "-f", "lavfi", "-i", graph, "-frames:v", "2", *LOSSLESS)
    whole = luma_by_default(ffmpeg, path, 96, 64)
    # A clean aperture of 80x60 in the middle.
    numbers_ = (80, 1, 60, 1, 0, 1, 0, 1)
    insert_in_sample_entry(path, b"clap", b"".join(n.to_bytes(4, "big") for n in numbers_))
    master, conform, pictures = conformed(ffmpeg, path)
    assert (master.video.width, master.video.height) == (conform.width, conform.height) == (80, 60)
    assert np.array_equal(pictures, whole[:, 2:62, 8:88])
    assert any("cuts pictures of 96x64 to 80x60" in defect for defect in master.defects)


def test_damaged_pictures_keep_their_place(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "d.mp4", *numbered(), *LOSSLESS, "-g", "1")
    overwrite_sample(path, 10, b"\xff" * 64)
    master, _, pictures = conformed(ffmpeg, path)
    assert master.video.frames == len(pictures) == 50
    assert numbers(pictures) == [*range(10), 9, *range(11, 50)]


def test_streams_that_change_midway(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    parts = []
    for number, (size, extra) in enumerate((("64x48", ""), ("128x96", ",setparams=range=limited"))):
        graph = f"color=s={size}:r=25,format=yuv420p,geq=lum='20+N+{25 * number}'{extra}"
        options = ["-f", "lavfi", "-i", graph, "-frames:v", "25", *LOSSLESS, "-bf", "0"]
        options += ["-output_ts_offset", str(number), "-muxdelay", "0", "-f", "mpegts"]
        parts.append(make(ffmpeg, tmp_path / f"{number}.ts", *options).read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    master, conform, pictures = conformed(ffmpeg, path)
    assert (conform.width, conform.height) == (64, 48)
    assert numbers(pictures) == list(range(50))
    assert master.video.frames == 50


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_pictures_that_are_never_shown_do_not_count(
    ffmpeg: Ffmpeg, tmp_path: Path, codec: str
) -> None:
    log = str(tmp_path / "log")
    for run_number in ("1", "2"):
        whole = make(
            ffmpeg,
            tmp_path / "whole.webm",
            *("-f", "lavfi", "-i", "mandelbrot=s=160x120:r=25", "-frames:v", "50"),
            *("-c:v", codec, "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "100k"),
            *("-pass", run_number, "-passlogfile", log),
        )
    split = ("-bsf:v", "vp9_superframe_split") if codec == "libvpx-vp9" else ()
    path = make(
        ffmpeg,
        tmp_path / "split.webm",
        # Or the muxer would join again what belongs to one time.
        *("-i", f"file:{whole}", "-c", "copy", *split, "-fflags", "-autobsf"),
    )
    with av.open(str(path)) as container:
        packets = sum(1 for packet in container.demux(video=0) if packet.size)
    assert packets > 50
    for clip in (whole, path):
        master, _, pictures = conformed(ffmpeg, clip)
        assert master.video.frames == len(pictures) == 50


def test_a_stream_cut_before_its_first_key_picture(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    whole = make(
        ffmpeg,
        tmp_path / "w.ts",
        *numbered(),
        *("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-g", "20", "-bf", "0"),
    )
    data = whole.read_bytes()
    # Without the picture that decoding starts from, but with the tables of the transport stream.
    with av.open(str(whole)) as container:
        places = [p.pos for p in container.demux(video=0) if p.size and p.pos is not None]
    path = tmp_path / "c.ts"
    path.write_bytes(data[: places[0]] + data[places[5] :])
    master, _, pictures = conformed(ffmpeg, path)
    assert numbers(pictures) == list(range(20, 50))
    assert master.video.frames == 30
    assert any("15 pictures at the start cannot be decoded" in d for d in master.defects)
    # A look at the first picture alone would take those for pictures.
    assert brief(ffmpeg, path) == brief(ffmpeg, path, trusting=False)


def brief(ffmpeg: Ffmpeg, path: Path, *, trusting: bool = True) -> Master:
    """What a probe says but for what it need not look at where headers are trusted."""
    found = probe(path, ffmpeg, trusting=trusting)
    return replace(found, video=replace(found.video, timed=False))


def test_the_first_picture_tells_what_more_of_them_do(
    ffmpeg: Ffmpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(ffmpeg, tmp_path / "b.mp4", *numbered(), "-c:v", "libx264", "-bf", "3")
    whole = brief(ffmpeg, path, trusting=False)
    decoded: list[int] = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        tracks, stopped = survey(*args, **kwargs)
        decoded.extend(len(track.decoded) for track in tracks.values())
        return tracks, stopped

    monkeypatch.setattr("encoder.probe.probe.survey", watched)
    assert brief(ffmpeg, path) == whole
    assert decoded == [1]
    assert not probe(path, ffmpeg, trusting=True).video.timed


def test_raw_streams_have_no_times(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(ffmpeg, tmp_path / "r.h264", *numbered(rate="30"), *LOSSLESS)
    master, conform, pictures = conformed(ffmpeg, path)
    assert not master.video.timed
    assert conform.frame_rate == 30
    assert numbers(pictures) == list(range(50))


def test_names_that_are_no_names(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    source = make(ffmpeg, tmp_path / "s.mp4", *numbered(frames=3), *LOSSLESS)
    for name in ("-lead.mp4", "a%03d.mp4", "c:d.mp4", "x\ny.mp4", "ü 'q\" .mp4", "concat:a|b.mp4"):
        path = tmp_path / name
        path.write_bytes(source.read_bytes())
        master = probe(path, ffmpeg)
        assert len(luma(ffmpeg, path, decide_conform(master))) == 3


@pytest.mark.parametrize(
    "tags",
    [
        "color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc",
        "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
        "color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc",
    ],
)
def test_the_machines_cores_are_not_seen(ffmpeg: Ffmpeg, tmp_path: Path, tags: str) -> None:
    graph = f"testsrc2=s=192x128:r=25,format=yuv420p10le,setparams={tags}:range=limited"
    lossless = ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=error")
    path = make(ffmpeg, tmp_path / "m.mp4", "-f", "lavfi", "-i", graph, "-frames:v", "3", *lossless)
    conform = decide_conform(probe(path, ffmpeg))
    assert conform.colour.primaries == "bt709"
    seen = set()
    for threads in ("1", "2", "7"):
        output = open_master(path, conform).output("pipe:1", f="framemd5", fps_mode="passthrough")
        with stream(ffmpeg, ["-filter_complex_threads", threads, *arguments(output)]) as running:
            seen.add(running.stdout.read())
            running.finish()
    assert len(seen) == 1
