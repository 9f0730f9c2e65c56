"""Rungs come out with the frames, key frames and signalling that were asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from encoder.encode import chunk as chunk_module
from encoder.encode.buffer import play
from encoder.encode.chunk import EncodedChunk, NotAllDecodedError, Title
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import Chunk
from encoder.encode.feedback import shot_results
from encoder.encode.packets import read_packets
from encoder.errors import EncodeError, MachineError, MeasureError
from encoder.ffmpeg import locate as where
from encoder.ffmpeg.checksums import read_checksums
from encoder.ffmpeg.process import run
from encoder.media.conform import of_damaged
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung
from encoder.media.shots import Analysis
from encoder.score.confirm import Measured, confirm
from encoder.score.measure import Distorted, measure
from tests.encode.titles import describe, encode, generate

KEYFRAMES = (0, 17, 30, 54)
FRAMES = 72
SHOTS = (FrameRange(0, 30), FrameRange(30, FRAMES))
CHUNKS = (Chunk(0, SHOTS[0], (0, 17)), Chunk(1, SHOTS[1], (30, 54)))
# The same of a take that no cut is in: seen from both sides of the seam.
AROUND = (
    replace(CHUNKS[0], tail=24, around=(30,)),
    replace(CHUNKS[1], lead=13, around=(17,)),
)
MEASURING = Measuring("vmaf_v0.6.1", 1)


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> Title:
    folder = tmp_path_factory.mktemp("master")
    source = "testsrc2=s=320x180:r=24000/1001:d=3.003,noise=alls=12:allf=t:all_seed=3"
    tags = "setparams=color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"
    path = generate(
        folder / "master.mp4",
        f"{source},format=yuv420p,{tags}",
        *("-c:v", "libx264", "-qp", "4", "-preset", "ultrafast"),
    )
    return describe(path, folder)[0]


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


def whole() -> tuple[Chunk]:
    return (Chunk(0, FrameRange(0, FRAMES), KEYFRAMES),)


@pytest.mark.parametrize("chunks", [CHUNKS, AROUND, whole()], ids=["two", "take", "one"])
def test_rungs_share_every_key_frame(
    title: Title, tmp_path: Path, chunks: tuple[Chunk, ...]
) -> None:
    # 162 by 90 is not quite 16:9, which must not make its pixels other than square.
    rungs = [
        rung("a", 180),
        rung("b", 90, width=162),
        rung("c", 90, "av1", crf_per_shot=(40.0, 40.0)),
    ]
    made = encode(title, SHOTS, KEYFRAMES, rungs, tmp_path, chunks=chunks)
    for one in rungs:
        path, _ = made[one.id]
        assert read_packets(path).keyframes == KEYFRAMES
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            frames = list(container.decode(video))
        assert [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in frames] == [
            Fraction(1001 * n, 24000) for n in range(FRAMES)
        ]
        assert video.sample_aspect_ratio in (None, 1)
        assert (video.width, video.height) == (one.width, one.height)
        context = video.codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (6, 6, 6)
        assert context.color_range == 1


def test_encodes_are_deterministic_and_joining_is_not_coding(title: Title, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        # What is measured beside it changes nothing.
        measuring = MEASURING if name == "two" else None
        made = encode(
            title,
            SHOTS,
            KEYFRAMES,
            [rung("a", 90)],
            tmp_path / name,
            measuring=measuring,
            chunks=CHUNKS,
        )
        contents.append(made["a"][0].read_bytes())
    assert contents[0] == contents[1]


def test_a_title_that_ends_between_scored_frames_is_decoded_to_its_end(tmp_path: Path) -> None:
    source = "testsrc2=s=320x180:r=25:d=0.36"
    path = generate(tmp_path / "short.mp4", source, "-c:v", "libx264", "-qp", "4")
    short, _ = describe(path, tmp_path)
    ladder = [
        rung(name, height, crf_per_shot=(30.0,))
        for name, height in (("a", 180), ("b", 144), ("c", 90))
    ]
    # Which branch ended first was a race.
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        shots = [FrameRange(0, 9)]
        made = encode(short, shots, (0,), ladder, folder, measuring=Measuring("vmaf_v0.6.1", 5))
        for one in ladder:
            path, chunks = made[one.id]
            assert len(read_packets(path).keyframes) == 1
            (chunk,) = chunks
            assert chunk.scores is not None
            assert chunk.scores.frame.tolist() == [0, 5]


@pytest.mark.parametrize(
    ("every", "frames"), [(2, 46), (2, 47), (2, 48), (3, 46), (3, 47), (3, 48)]
)
def test_every_second_or_third_picture_is_encoded_and_scored(
    every: int, frames: int, tmp_path: Path
) -> None:
    source = f"testsrc2=s=320x180:r={60_000 * every}/1001"
    path = generate(
        tmp_path / "fast.mp4", source, "-frames:v", frames, "-c:v", "libx264", "-qp", "4"
    )
    title, _ = describe(path, tmp_path)
    assert title.conform.frame_rate == Fraction(60000, 1001)
    used = -(-frames // every)
    chunk = Chunk(0, FrameRange(0, used), (0,))
    made = encode(
        title,
        (chunk.frames,),
        (0,),
        [rung("a", 90, crf_per_shot=(30.0,))],
        tmp_path,
        measuring=MEASURING,
        chunks=(chunk,),
    )
    scores = made["a"][1][0].scores
    assert scores is not None
    assert scores.frame.tolist() == list(range(used))


def test_every_shot_has_its_own_crf(title: Title, tmp_path: Path) -> None:
    wide: dict[str, Any] = {"max_bitrate": 90_000_000, "buffer_bits": 90_000_000}
    rungs = [
        rung("low", 180, crf_per_shot=(36.0, 36.0), **wide),
        rung("high", 180, crf_per_shot=(20.0, 20.0), **wide),
        rung("rising", 180, crf_per_shot=(36.0, 20.0), **wide),
        rung("falling", 180, crf_per_shot=(20.0, 36.0), **wide),
    ]
    made = encode(title, SHOTS, KEYFRAMES, rungs, tmp_path, chunks=whole())
    sizes = {name: read_packets(path).presented_sizes() for name, (path, _) in made.items()}
    # Not to the byte: what x264 remembers of quantizers goes on over the cut, into its first frame.
    first, second = (
        {name: sum(one[shot.start + 3 : shot.end]) for name, one in sizes.items()} for shot in SHOTS
    )
    assert first["high"] > 3 * first["low"]
    assert first["rising"] == pytest.approx(first["low"], rel=0.15)
    assert second["rising"] == pytest.approx(second["high"], rel=0.15)
    assert first["falling"] == pytest.approx(first["high"], rel=0.15)
    assert second["falling"] == pytest.approx(second["low"], rel=0.15)


def test_chunks_of_other_crfs_have_one_sample_description(title: Title, tmp_path: Path) -> None:
    rungs = [
        rung("a", 180, crf_per_shot=(18.0, 38.0)),
        rung("c", 90, "av1", crf_per_shot=(30.0, 55.0)),
    ]
    made = encode(title, SHOTS, KEYFRAMES, rungs, tmp_path)
    # Joined without a complaint, and AV1 was cut at the change though the chunks are short.
    assert {name: len(parts) for name, (_, parts) in made.items()} == {"a": 2, "c": 2}
    sizes = read_packets(made["c"][0]).presented_sizes()
    assert sum(sizes[:30]) / 30 > 3 * sum(sizes[30:]) / 42


@pytest.mark.parametrize("chunks", [CHUNKS, AROUND], ids=["cut", "take"])
def test_scores_of_the_pass_are_those_of_the_joined_file(
    title: Title, tmp_path: Path, chunks: tuple[Chunk, ...]
) -> None:
    every = Measuring("vmaf_v0.6.1", 1)
    rungs = [rung("a", 180), rung("b", 90), rung("c", 90, "av1", crf_per_shot=(40.0, 40.0))]
    made = encode(title, SHOTS, KEYFRAMES, rungs, tmp_path, measuring=every, chunks=chunks)
    files = [Distorted(name, path) for name, (path, _) in made.items()]
    plain = Analysis(FRAMES, title.conform.frame_rate, ())
    (tmp_path / "scores").mkdir()
    measure(title.ffmpeg, title.master, title.conform, plain, files, tmp_path / "scores")
    for name, (path, parts) in made.items():
        with np.load(tmp_path / "scores" / f"{name}.npz") as arrays:
            for metric in ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim"):
                own = np.concatenate([p.scores.values[metric] for p in parts if p.scores])
                assert own.astype(np.float32).tolist() == arrays[metric].tolist(), metric
        # And so are the pictures.
        run(title.ffmpeg, ["-i", f"file:{path}", "-f", "framecrc", "joined.crc"], folder=tmp_path)
        sums = np.concatenate([p.checksums for p in parts if p.checksums is not None])
        assert np.array_equal(read_checksums(tmp_path / "joined.crc"), sums)
        for every_frame, count in ((True, FRAMES), (False, len(KEYFRAMES))):
            measured = [Measured(name, path, sums)]
            assert confirm(title.ffmpeg, measured, KEYFRAMES, every_frame=every_frame) == count


def test_a_seam_at_a_cut_is_not_to_be_seen(tmp_path: Path) -> None:
    noisy = "testsrc2=s=320x180:r=24,noise=alls=6:allf=t:all_seed=3"
    one, other = f"{noisy},trim=end_frame=30", f"{noisy},trim=end_frame=42"
    path = generate(
        tmp_path / "cut.mp4",
        f"{one}[a];{other},hflip,negate[b];[a][b]concat=n=2,format=yuv420p",
        *("-c:v", "libx264", "-qp", "4", "-preset", "ultrafast"),
    )
    title = describe(path, tmp_path)[0]
    found = []
    for name, chunks in (("one", whole()), ("two", CHUNKS)):
        (tmp_path / name).mkdir()
        made = encode(
            title,
            SHOTS,
            KEYFRAMES,
            [rung("a", 180)],
            tmp_path / name,
            measuring=MEASURING,
            chunks=chunks,
        )
        parts = made["a"][1]
        found.append(np.concatenate([p.scores.values["vmaf"] for p in parts if p.scores]))
    near = slice(SHOTS[1].start - 8, SHOTS[1].start + 8)
    assert found[1][near].mean() == pytest.approx(found[0][near].mean(), abs=1)
    assert found[1][near].min() > found[0][near].min() - 2


def test_a_seam_within_a_take_is_not_to_be_seen(title: Title, tmp_path: Path) -> None:
    vmaf = {}
    for name, chunks in (("one", whole()), ("apart", CHUNKS), ("around", AROUND)):
        (tmp_path / name).mkdir()
        made = encode(
            title,
            SHOTS,
            KEYFRAMES,
            [rung("a", 180)],
            tmp_path / name,
            measuring=MEASURING,
            chunks=chunks,
        )
        parts = made["a"][1]
        vmaf[name] = np.concatenate([p.scores.values["vmaf"] for p in parts if p.scores])
    near = slice(SHOTS[1].start - 8, SHOTS[1].start + 12)
    lost = {name: (vmaf["one"][near] - one[near]).mean() for name, one in vmaf.items()}
    assert lost["around"] < 0.5 < lost["apart"]


# One chunk has no ninth frame, the next starts and ends with one.
SMALL = tuple(
    Chunk(n, FrameRange(start, end), (start,))
    for n, (start, end) in enumerate([(0, 22), (22, 27), (27, 46), (46, 64), (64, FRAMES)])
)


@pytest.mark.parametrize(
    ("every", "chunks"),
    [(2, CHUNKS), (5, AROUND), (9, CHUNKS), (9, SMALL), (71, CHUNKS)],
    ids=["second", "fifth-take", "ninth", "ninth-small", "first-and-last"],
)
def test_sampled_scores_are_those_of_all_frames(
    title: Title, tmp_path: Path, every: int, chunks: tuple[Chunk, ...]
) -> None:
    sampled = Measuring("vmaf_v0.6.1", every)
    shots = [chunk.frames for chunk in chunks]
    asked = [rung("a", 90, crf_per_shot=(30.0,) * len(shots))]
    made = encode(title, shots, (), asked, tmp_path, measuring=sampled, chunks=chunks)
    path, parts = made["a"]
    scores = [part.scores for part in parts if part.scores is not None]
    assert len(scores) == len(chunks)
    (tmp_path / "scores").mkdir()
    plain = Analysis(FRAMES, title.conform.frame_rate, ())
    files = [Distorted("a", path)]
    measure(title.ffmpeg, title.master, title.conform, plain, files, tmp_path / "scores")
    with np.load(tmp_path / "scores" / "a.npz") as arrays:
        frame = np.concatenate([one.frame for one in scores])
        assert frame.tolist() == list(range(0, FRAMES, every))
        for metric in ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim"):
            own = np.concatenate([one.values[metric] for one in scores])
            assert own.astype(np.float32).tolist() == arrays[metric][frame].tolist(), metric


def test_shots_tell_what_they_cost_and_reached(title: Title, tmp_path: Path) -> None:
    better_first = rung("a", 180, crf_per_shot=(20.0, 40.0))
    made = encode(
        title, SHOTS, KEYFRAMES, [better_first], tmp_path, measuring=MEASURING, chunks=CHUNKS
    )
    path, parts = made["a"]
    first, second = shot_results(parts, SHOTS, KEYFRAMES)
    assert first.bits + second.bits == int(read_packets(path).sizes.sum()) * 8
    assert first.bits > second.bits
    assert first.vmaf is not None
    assert second.vmaf is not None
    assert first.vmaf > second.vmaf + 10
    silent = [replace(part, scores=None) for part in parts]
    assert shot_results(silent, SHOTS, KEYFRAMES)[0] == replace(first, vmaf=None)
    sizes = read_packets(path).presented_sizes()
    assert first.key_bits + second.key_bits == 8 * int(sizes[list(KEYFRAMES)].sum())
    assert first.key_frames + second.key_frames == len(KEYFRAMES)
    with pytest.raises(ValueError, match="72 frames"):
        shot_results(parts, [FrameRange(0, 80)], KEYFRAMES)


def test_other_pictures_are_not_confirmed(title: Title, tmp_path: Path) -> None:
    made = encode(
        title, SHOTS, KEYFRAMES, [rung("a", 90)], tmp_path, measuring=MEASURING, chunks=CHUNKS
    )
    path, parts = made["a"]
    sums = np.concatenate([p.checksums for p in parts if p.checksums is not None])
    sums[54] ^= 1
    for every_frame in (True, False):
        with pytest.raises(MeasureError, match="54"):
            confirm(title.ffmpeg, [Measured("a", path, sums)], KEYFRAMES, every_frame=every_frame)


def test_the_buffer_model_bounds_the_rate(title: Title, tmp_path: Path) -> None:
    free = rung(
        "free", 180, crf_per_shot=(16.0, 16.0), max_bitrate=50_000_000, buffer_bits=50_000_000
    )
    capped = rung(
        "capped", 180, crf_per_shot=(16.0, 16.0), max_bitrate=600_000, buffer_bits=300_000
    )
    made = encode(title, SHOTS, KEYFRAMES, [free, capped], tmp_path, chunks=whole())
    rates = [path.stat().st_size * 8 * 24000 / 1001 / FRAMES for path, _ in made.values()]
    assert rates[0] > 1_000_000
    assert rates[1] < 600_000 * 1.2
    sizes = read_packets(made["capped"][0]).sizes
    assert play(sizes, title.conform.frame_rate, 600_000, 300_000, 0.9).lacking.max() == 0


def test_a_fixed_rung_meets_its_bitrate(title: Title, tmp_path: Path) -> None:
    fixed = rung("f", 180, crf_per_shot=(), target_bitrate=500_000, max_bitrate=850_000)
    made = encode(title, SHOTS, KEYFRAMES, [fixed], tmp_path)
    rate = made["f"][0].stat().st_size * 8 * 24000 / 1001 / FRAMES
    assert rate == pytest.approx(500_000, rel=0.35)  # three seconds are little to settle in


def test_a_master_that_changed_is_refused(title: Title, tmp_path: Path) -> None:
    sums = title.checksums.copy()
    sums[60] ^= 1
    with pytest.raises(EncodeError, match="same pictures") as caught:
        encode(
            replace(title, checksums=sums),
            SHOTS,
            KEYFRAMES,
            [rung("a", 90)],
            tmp_path,
            chunks=CHUNKS,
        )
    assert "30 to 71" in caught.value.why


def test_pictures_that_are_made_up_may_be_made_up_otherwise(title: Title, tmp_path: Path) -> None:
    sums = title.checksums.copy()
    sums[60] ^= 1
    damaged = replace(title, checksums=sums, conform=of_damaged(title.conform))
    made = encode(damaged, SHOTS, KEYFRAMES, [rung("a", 90)], tmp_path, chunks=CHUNKS)
    assert len(read_packets(made["a"][0]).sizes) == FRAMES


def test_an_ffmpeg_without_the_encoder_is_named(
    title: Title, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = where.capabilities(title.ffmpeg)
    monkeypatch.setattr(
        "encoder.encode.chunk.capabilities",
        lambda _: replace(able, encoders=able.encoders - {"libx264"}),
    )
    with pytest.raises(MachineError, match="libx264"):
        encode(title, SHOTS, KEYFRAMES, [rung("a", 90)], tmp_path)


def test_pictures_are_those_of_the_master(title: Title, tmp_path: Path) -> None:
    best = rung("a", 180, crf_per_shot=(10.0, 10.0), max_bitrate=90_000_000, buffer_bits=90_000_000)
    made = encode(title, SHOTS, KEYFRAMES, [best], tmp_path, chunks=CHUNKS)
    with av.open(str(title.master.path)) as one, av.open(str(made["a"][0])) as other:
        pairs = zip(one.decode(video=0), other.decode(video=0), strict=True)
        for reference, rendition in pairs:
            difference = reference.to_ndarray().astype(int) - rendition.to_ndarray()
            assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(("failures", "gives_up"), [(1, False), (2, False), (3, True)])
def test_an_encode_that_was_not_decoded_to_its_end_is_made_again(
    title: Title,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    gives_up: bool,
) -> None:
    read, left = chunk_module._read, failures

    def short(*arguments: Any) -> EncodedChunk:
        nonlocal left
        if left:
            left -= 1
            raise NotAllDecodedError("An encode did not decode to its frames")
        return read(*arguments)

    monkeypatch.setattr(chunk_module, "_read", short)
    measuring = Measuring("vmaf_v0.6.1", 5)
    asked = [rung("a", 90)]
    if gives_up:
        with pytest.raises(NotAllDecodedError):
            encode(title, SHOTS, KEYFRAMES, asked, tmp_path, measuring=measuring, chunks=whole())
    else:
        encode(title, SHOTS, KEYFRAMES, asked, tmp_path, measuring=measuring, chunks=whole())
    assert left == 0
