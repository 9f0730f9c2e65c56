"""Rungs come out with the frames, key frames and signalling that were asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from encoder.codecs import CrfZone
from encoder.encode.video import crf_zones, encode_rungs, read_keyframes
from encoder.errors import EncodeError, MachineError
from encoder.ffmpeg import locate as where
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import run
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung
from encoder.media.master import Master
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe

KEYFRAMES = (0, 17, 30, 54)
FRAMES = 72
SHOTS = (FrameRange(0, 30), FrameRange(30, FRAMES))


@pytest.fixture(scope="module")
def ffmpeg() -> Ffmpeg:
    return locate()


@pytest.fixture(scope="module")
def title(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> tuple[Master, Conform]:
    folder = tmp_path_factory.mktemp("master")
    source = "testsrc2=s=320x180:r=24000/1001:d=4,noise=alls=12:allf=t,format=yuv420p"
    tags = "setparams=colour_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"
    tags = tags.replace("colour_", "color_")
    run(
        ffmpeg,
        [
            "-f",
            "lavfi",
            "-i",
            f"{source},{tags}",
            "-frames:v",
            str(FRAMES),
            "-c:v",
            "libx264",
            "-qp",
            "4",
            "-preset",
            "ultrafast",
            "master.mp4",
        ],
        folder=folder,
    )
    master = probe(folder / "master.mp4", ffmpeg)
    return master, decide_conform(master)


def rung(identifier: str, height: int, codec: str = "h264", **changes: object) -> Rung:
    preset = "veryfast" if codec == "h264" else "12"
    made = Rung(
        id=identifier,
        codec=codec,
        width=height * 16 // 9,
        height=height,
        preset=preset,
        crf_per_shot=(30.0, 30.0),
        target_bitrate=None,
        max_bitrate=2_000_000,
        buffer_bits=2_000_000,
        expected=None,
        why="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_rungs_share_every_key_frame(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    # 162 by 90 is not quite 16:9, which must not make its pixels other than square.
    rungs = [
        rung("a", 180),
        rung("b", 90, width=162),
        rung("c", 90, "av1", crf_per_shot=(40.0, 40.0)),
    ]
    seen: list[int] = []
    made = encode_rungs(
        ffmpeg, *title, SHOTS, rungs, KEYFRAMES, 24, tmp_path, on_progress=seen.append
    )
    assert [one.id for one in made] == ["a", "b", "c"]
    assert seen[-1] == FRAMES
    for one in made:
        assert read_keyframes(one.path) == (FRAMES, KEYFRAMES)
        with av.open(str(one.path)) as container:
            video = container.streams.video[0]
            frames = list(container.decode(video))
        assert len(frames) == FRAMES
        assert [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in frames] == [
            Fraction(1001 * n, 24000) for n in range(FRAMES)
        ]
        assert video.sample_aspect_ratio in (None, 1)
        assert (video.width, video.height) == (one.width, one.height)
        context = video.codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (6, 6, 6)
        assert context.color_range == 1


def test_encodes_are_deterministic(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (made,) = encode_rungs(
            ffmpeg, *title, SHOTS, [rung("a", 90)], KEYFRAMES, 24, tmp_path / name
        )
        contents.append(made.path.read_bytes())
    assert contents[0] == contents[1]


def test_the_buffer_model_bounds_the_rate(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    free = rung(
        "free", 180, crf_per_shot=(16.0, 16.0), max_bitrate=50_000_000, buffer_bits=50_000_000
    )
    capped = rung(
        "capped", 180, crf_per_shot=(16.0, 16.0), max_bitrate=600_000, buffer_bits=300_000
    )
    made = encode_rungs(ffmpeg, *title, SHOTS, [free, capped], KEYFRAMES, 24, tmp_path)
    rates = [one.path.stat().st_size * 8 * 24000 / 1001 / FRAMES for one in made]
    assert rates[0] > 1_000_000
    assert rates[1] < 600_000 * 1.2


def frame_sizes(path: Path) -> list[int]:
    """Bytes of each frame, in presentation order."""
    with av.open(str(path)) as container:
        packets = [(p.pts, p.size) for p in container.demux(video=0) if p.pts is not None]
    return [size for _, size in sorted(packets)]


def test_every_shot_has_its_own_crf(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    wide: dict[str, Any] = {"max_bitrate": 90_000_000, "buffer_bits": 90_000_000}
    rungs = [
        rung("low", 180, crf_per_shot=(36.0, 36.0), **wide),
        rung("high", 180, crf_per_shot=(20.0, 20.0), **wide),
        rung("rising", 180, crf_per_shot=(36.0, 20.0), **wide),
        rung("falling", 180, crf_per_shot=(20.0, 36.0), **wide),
    ]
    made = encode_rungs(ffmpeg, *title, SHOTS, rungs, KEYFRAMES, 24, tmp_path)
    first, second = (
        {one.id: sum(frame_sizes(one.path)[shot.start + 3 : shot.end]) for one in made}
        for shot in SHOTS
    )
    assert first["high"] > 3 * first["low"]
    # Not to the byte: what x264 remembers of quantizers goes on over the cut.
    assert first["rising"] == pytest.approx(first["low"], rel=0.15)
    assert second["rising"] == pytest.approx(second["high"], rel=0.15)
    assert first["falling"] == pytest.approx(first["high"], rel=0.15)
    assert second["falling"] == pytest.approx(second["low"], rel=0.15)


def test_equal_neighbours_are_one_zone() -> None:
    shots = [FrameRange(0, 4), FrameRange(4, 9), FrameRange(9, 12)]
    assert crf_zones((20.0, 20.0, 21.5), shots) == (
        CrfZone(FrameRange(0, 9), 20.0),
        CrfZone(FrameRange(9, 12), 21.5),
    )
    with pytest.raises(ValueError, match="zip"):
        crf_zones((20.0,), shots)


def test_one_encode_of_av1_has_one_crf(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    different = rung("c", 90, "av1", crf_per_shot=(40.0, 30.0))
    with pytest.raises(EncodeError, match="one piece"):
        encode_rungs(ffmpeg, *title, SHOTS, [different], KEYFRAMES, 24, tmp_path)


def test_a_fixed_rung_meets_its_bitrate(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    fixed = rung("f", 180, crf_per_shot=(), target_bitrate=500_000, max_bitrate=850_000)
    (made,) = encode_rungs(ffmpeg, *title, SHOTS, [fixed], KEYFRAMES, 24, tmp_path)
    rate = made.path.stat().st_size * 8 * 24000 / 1001 / FRAMES
    assert rate == pytest.approx(500_000, rel=0.35)  # three seconds are little to settle in


def test_other_frames_than_promised_are_refused(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    longer = (SHOTS[0], FrameRange(30, FRAMES + 1))
    with pytest.raises(EncodeError, match="72") as caught:
        encode_rungs(ffmpeg, *title, longer, [rung("a", 90)], KEYFRAMES, 24, tmp_path)
    assert "73" in caught.value.why


def test_an_ffmpeg_without_the_encoder_is_named(
    ffmpeg: Ffmpeg,
    title: tuple[Master, Conform],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    able = where.capabilities(ffmpeg)
    monkeypatch.setattr(
        "encoder.encode.video.capabilities",
        lambda _: replace(able, encoders=able.encoders - {"libx264"}),
    )
    with pytest.raises(MachineError, match="libx264"):
        encode_rungs(ffmpeg, *title, SHOTS, [rung("a", 90)], KEYFRAMES, 24, tmp_path)


def test_pictures_are_those_of_the_master(
    ffmpeg: Ffmpeg, title: tuple[Master, Conform], tmp_path: Path
) -> None:
    best = rung("a", 180, crf_per_shot=(10.0, 10.0), max_bitrate=90_000_000, buffer_bits=90_000_000)
    (made,) = encode_rungs(ffmpeg, *title, SHOTS, [best], KEYFRAMES, 24, tmp_path)
    with av.open(str(title[0].path)) as one, av.open(str(made.path)) as other:
        pairs = zip(one.decode(video=0), other.decode(video=0), strict=True)
        for reference, rendition in pairs:
            difference = reference.to_ndarray().astype(int) - rendition.to_ndarray()
            assert np.abs(difference).mean() < 3
