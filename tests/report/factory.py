"""Realistic values of a whole ingest, without running one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.media.colour import BT709, Colour, Hdr
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.ladder import (
    Expected,
    Interval,
    Ladder,
    RateQualityPoint,
    Rung,
    Savings,
    ShotHull,
    Trial,
)
from encoder.media.master import AudioStream, Chapter, Master, TextStream, VideoStream
from encoder.media.package import Package, PackagedPictures, PackagedProtection, PackagedTrack
from encoder.media.pictures import DenseFrames, Pictures, Poster, Thumbnails
from encoder.media.renditions import (
    AudioRendition,
    Loudness,
    Rendition,
    RenditionSet,
    TextRendition,
)
from encoder.media.scores import MetricScore, Pooled, RenditionScore, Scorecard
from encoder.media.shots import Analysis, Complexity, Shot
from encoder.report.data import Cost, IngestResult, MadeBy, ReportData, Triple, WorstFrame

RATE = Fraction(25)
MODEL = "vmaf_v0.6.1"
SIZES = ((1920, 1080), (1280, 720), (960, 540), (640, 360), (416, 234))
# Which of SIZES, and bits per second
RUNGS = ((0, 5_180_000), (1, 2_630_000), (1, 1_540_000), (2, 820_000), (3, 362_000))


def complexity(seed: int) -> Complexity:
    spread = (math.sin(seed * 2.3) + 1) / 2
    return Complexity(
        spatial=28 + 50 * spread,
        temporal=4 + 22 * ((math.sin(seed * 5.1) + 1) / 2),
        texture=40 + 90 * spread,
        noise=0.6 + 2.5 * ((math.cos(seed * 3.7) + 1) / 2),
        brightness=60 + 90 * ((math.cos(seed) + 1) / 2),
        detail=tuple(share * (20 + 50 * spread) for share in (1.0, 0.5, 0.25, 0.2, 0.1)),
    )


def shots_of(frames: int, count: int) -> tuple[Shot, ...]:
    """Shots of unequal length that tile the title."""
    weights = [2 + math.sin(3 * i) for i in range(count)]
    edges = [round(frames * sum(weights[:i]) / sum(weights)) for i in range(count)] + [frames]
    return tuple(
        Shot(FrameRange(edges[i], edges[i + 1]), i % 7 != 3, complexity(i)) for i in range(count)
    )


def video_stream(frames: int) -> VideoStream:
    return VideoStream(
        index=0,
        codec="prores",
        profile="422 HQ",
        width=1920,
        height=1080,
        sample_aspect=Fraction(1),
        rotation=0,
        mirrored=False,
        frame_rate=RATE,
        average_frame_rate=RATE,
        cadence="constant",
        frames=frames,
        start=Fraction(0),
        duration=Fraction(frames) / RATE,
        field_order="tt",
        scan="interlaced",
        pixel_format="yuv422p10le",
        bit_depth=10,
        colour=Colour("bt2020", "smpte2084", "bt2020nc", "limited"),
        hdr=Hdr("G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)", 1000, 400),
        bitrate=184_000_000,
        timecode="10:00:00:00",
        language=None,
        disposition=("default",),
    )


def audio_stream(index: int, language: str, channels: int) -> AudioStream:
    return AudioStream(
        index=index,
        codec="pcm_s24le",
        profile="",
        sample_rate=48_000,
        channels=channels,
        layout="stereo" if channels == 2 else "5.1",
        start=Fraction(0),
        duration=Fraction(48, 5),
        bitrate=2_304_000,
        language=language,
        title="",
        disposition=("default",) if index == 1 else (),
    )


def master(frames: int = 240, *, name: str = "river_crossing.mov", sound: bool = True) -> Master:
    audio = (audio_stream(1, "eng", 6), audio_stream(2, "deu", 2)) if sound else ()
    return Master(
        path=Path("/media/masters") / name,
        digest="sha256:" + "5f2c9e" * 10 + "abcd",
        size=220_800_000,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        start=Fraction(0),
        duration=Fraction(frames) / RATE,
        bitrate=186_400_000,
        video=video_stream(frames),
        other_video=(),
        audio=audio,
        text=(TextStream(3, "mov_text", "eng", "", ()),) if sound else (),
        other=(),
        chapters=(Chapter(Fraction(0), Fraction(48, 5), "Opening"),),
        tags=(("title", "River crossing"),),
        defects=("The sound ends 0.040 s before the pictures; silence was added",) if sound else (),
    )


def conform() -> Conform:
    return Conform(
        stream_index=0,
        input_options=(),
        filters=(
            Filter("bwdif", options=(("mode", "send_frame"), ("parity", "tff"))),
            Filter("zscale", options=(("t", "linear"), ("npl", "203"))),
            Filter("tonemap", ("mobius",)),
            Filter("format", ("yuv420p",)),
        ),
        width=1920,
        height=1080,
        frame_rate=RATE,
        colour=BT709,
        pixel_format="yuv420p",
        audio_offset=Fraction(0),
        tone_mapped=True,
        changes=(
            "Deinterlaced with bwdif, top field first: 92 of 100 sampled frames are interlaced, "
            "although the stream says progressive",
            "Tone-mapped from HDR (BT.2020, PQ) to BT.709 SDR",
            "Reduced from 4:2:2 10 bits to 4:2:0 8 bits, which the codec takes",
        ),
    )


def _trials(sizes: Sequence[tuple[int, int]]) -> tuple[RateQualityPoint, ...]:
    points = []
    for i, (width, height) in enumerate(sizes):
        ceiling = (97.5, 92.5, 85.0, 70.0, 46.0)[min(i, 4)]
        for crf in (18.0, 24.0, 30.0, 36.0):
            rate = 9.4e6 * (height / sizes[0][1]) ** 1.5 * 2 ** (-(crf - 18) / 5.6)
            vmaf = ceiling * (1 - math.exp(-((46 - crf) / 8.6)))
            points.append(RateQualityPoint(width, height, crf, round(rate), vmaf))
    return tuple(points)


def upper_hull(points: Sequence[RateQualityPoint]) -> tuple[RateQualityPoint, ...]:
    """The points above every line between two others, cheapest first."""
    hull: list[RateQualityPoint] = []
    for point in sorted(points, key=lambda p: (p.bitrate, -p.vmaf)):
        if hull and point.vmaf <= hull[-1].vmaf:
            continue
        while len(hull) > 1 and (hull[-1].vmaf - hull[-2].vmaf) * (
            point.bitrate - hull[-2].bitrate
        ) <= (point.vmaf - hull[-2].vmaf) * (hull[-1].bitrate - hull[-2].bitrate):
            hull.pop()
        hull.append(point)
    return tuple(hull)


CURVES = _trials(SIZES)
HULL = upper_hull(CURVES)
TRIALS = tuple(
    Trial(i % 3, 40 * (i % 3), 12, p.width, p.height, p.crf, 1, 60_000, p.bitrate // 3, p.vmaf)
    for i, p in enumerate(CURVES)
)


def vmaf_at(bitrate: int) -> float:
    """What the hull gives at a bitrate."""
    rates = [math.log(p.bitrate) for p in HULL]
    return float(np.interp(math.log(bitrate), rates, [p.vmaf for p in HULL]))


def rung_id(index: int, height: int) -> str:
    return f"v{index + 1}-{height}p"


def ladder(
    shot_count: int = 3,
    *,
    rungs: Sequence[tuple[int, int]] = RUNGS,
    savings: bool = True,
    trials: bool = True,
) -> Ladder:
    chosen = tuple(
        Rung(
            id=rung_id(i, SIZES[size][1]),
            codec="h264",
            width=SIZES[size][0],
            height=SIZES[size][1],
            preset="medium",
            crf_per_shot=tuple(21.5 + i + (j % 3) * 0.5 for j in range(shot_count)),
            target_bitrate=None,
            max_bitrate=rate * 3 // 2,
            buffer_bits=rate * 3,
            expected=Expected(
                rate,
                vmaf_at(rate),
                Interval(round(rate * 0.95), round(rate * 1.05)),
                Interval(vmaf_at(rate) - 0.8, vmaf_at(rate) + 0.8),
                round(rate * 1.3),
                2.5 / (i + 1),
            ),
            why="the cheapest point that reaches VMAF 95"
            if i == 0
            else "about one visible step down: VMAF 6.1 less",
        )
        for i, (size, rate) in enumerate(rungs)
    )
    measured = TRIALS if trials else ()
    reference = tuple(
        RateQualityPoint(*SIZES[size], 0.0, rate, vmaf)
        for size, rate, vmaf in (
            (0, 7_800_000, 93.2),
            (0, 6_000_000, 91.7),
            (0, 4_500_000, 90.0),
            (1, 3_000_000, 86.2),
            (2, 2_000_000, 79.4),
            (3, 730_000, 63.4),
            (4, 145_000, 35.0),
        )
    )
    hulls = tuple(
        ShotHull(
            shot,
            tuple(replace(p, bitrate=round(p.bitrate * hard)) for p in HULL),
            tuple(
                RateQualityPoint(*SIZES[size], 21.5 + i, round(rate * hard), vmaf_at(rate))
                for i, (size, rate) in enumerate(rungs)
            ),
        )
        for shot, hard in enumerate((0.5, 1.0, 1.5)[:shot_count])
    )
    return Ladder(
        policy="per-title",
        policy_digest="sha256:" + "0b7d41" * 10 + "beef",
        codec="h264",
        preset="medium",
        frame_rate=RATE,
        rungs=chosen,
        trials=measured,
        curves=CURVES if trials else (),
        hull=HULL if trials else (),
        vmaf_model=MODEL,
        savings=Savings("apple-hls", -24.31, reference) if savings else None,
        notes=("416x234 is nowhere on the hull above 145 kb/s and gave no rung",),
        shot_hulls=hulls if trials else (),
    )


def renditions(chosen: Ladder, frames: int, *, sound: bool = True) -> RenditionSet:
    keyframes = tuple(range(0, frames, 50))
    video = tuple(
        Rendition(
            rung.id,
            rung.codec,
            rung.width,
            rung.height,
            RATE,
            frames,
            keyframes,
            BT709,
            Path(f"/store/{rung.id}.mp4"),
        )
        for rung in chosen.rungs
    )
    loud = Loudness(-19.4, 8.1, -2.3)
    audio = (
        _audio("a1-eng-stereo", "en", "English", 2, True, loud, 3.4),
        _audio("a2-eng-surround", "en", "English 5.1", 6, False, loud, 0.0),
        _audio("a3-deu-stereo", "de", "Deutsch", 2, False, Loudness(None, None, None), 0.0),
    )
    text = (
        TextRendition(
            "text-eng", "en", "English", True, ("subtitle",), 400, "subrip", Path("/store/0.vtt"), 3
        ),
        TextRendition(
            "text-deu-sdh", "de", "German SDH", False, ("caption",), 2, "ttml", Path("/store/1.vtt")
        ),
    )
    pictures = PICTURES if sound else Pictures()
    return RenditionSet(
        video, audio if sound else (), RATE, frames, pictures, text if sound else ()
    )


PICTURES = Pictures(
    Thumbnails(320, 180, 5, 5, 25, 12, (Path("/store/thumbnails-001.jpg"),)),
    Poster(150, 1920, 1080, Path("/store/poster.jpg")),
    DenseFrames(480, 270, 25, 12, Path("/store/dense.mp4")),
)


def _audio(
    name_id: str,
    language: str,
    name: str,
    channels: int,
    default: bool,
    loudness: Loudness,
    gain: float,
) -> AudioRendition:
    return AudioRendition(
        name_id,
        "aac",
        language,
        name,
        channels,
        48_000,
        default,
        ("main",) if default else ("alternate",),
        loudness,
        gain,
        Path(f"/store/{name_id}.mp4"),
    )


def _before_correction(chosen: Ladder) -> Ladder:
    """The ladder as it was before its best rung was corrected."""
    best, *others = chosen.rungs
    expected = best.expected
    if expected is None:
        return chosen
    lower = replace(expected, average_bitrate=round(0.8 * expected.average_bitrate))
    crfs = tuple(crf + 1.5 for crf in best.crf_per_shot)
    return replace(chosen, rungs=(replace(best, crf_per_shot=crfs, expected=lower), *others))


def package(chosen: Ladder, made: RenditionSet) -> Package:
    seconds = Fraction(made.frames) / RATE
    tracks = [
        PackagedTrack(
            id=rung.id,
            kind="video",
            path=Path("video") / f"{rung.id}.mp4",
            codec_string="avc1.640028",
            average_bitrate=round(rung.expected.average_bitrate * (1.021 - 0.012 * i))
            if rung.expected
            else 500_000,
            peak_bitrate=round(rung.max_bitrate * 0.93),
            bytes=round(rung.max_bitrate * 2 / 3 * seconds / 8),
            duration=seconds,
            frames=made.frames,
            segments=math.ceil(seconds / 6),
        )
        for i, rung in enumerate(chosen.rungs)
    ] + [
        PackagedTrack(
            id=one.id,
            kind="audio",
            path=Path("audio") / f"{one.id}.mp4",
            codec_string="mp4a.40.2",
            average_bitrate=64_000 * one.channels,
            peak_bitrate=66_500 * one.channels,
            bytes=round(8_000 * one.channels * seconds),
            duration=seconds,
            frames=math.ceil(seconds * 48_000 / 1024),
            segments=math.ceil(seconds / 6),
        )
        for one in made.audio
    ]
    tracks += [
        PackagedTrack(
            id=one.id,
            kind="text",
            path=Path("text") / f"{one.id}.vtt",
            codec_string="wvtt",
            average_bitrate=180,
            peak_bitrate=600,
            bytes=90 * one.cues,
            duration=seconds,
            frames=one.cues,
            segments=math.ceil(seconds / 6),
        )
        for one in made.text
    ]
    return Package(
        path=Path("/srv/out/river crossing"),
        hls=Path("master.m3u8"),
        dash=Path("manifest.mpd"),
        bytes=sum(t.bytes for t in tracks) + 9_200,
        tracks=tuple(tracks),
        pictures=_packaged_pictures(made.pictures),
        protection=PackagedProtection("cbcs", (bytes(range(16)),), Fraction(601, 100)),
    )


def _packaged_pictures(made: Pictures) -> PackagedPictures:
    own = made.moved(lambda path: Path("images") / path.name)
    return PackagedPictures(
        thumbnails=own.thumbnails,
        interval=own.thumbnails.interval(RATE) if own.thumbnails else Fraction(0),
        poster=own.poster,
        playlist=Path("images/thumbnails.m3u8") if own.thumbnails else None,
        sprite_map=Path("images/thumbnails.vtt") if own.thumbnails else None,
        bytes=98_000 if own.thumbnails else 0,
    )


def vmaf_of(mean: float, shots: Sequence[Shot], frames: int, every: int) -> NDArray[np.float64]:
    """VMAF per scored frame: a level per shot, drifting, with a dip at every cut."""
    values = np.empty(frames)
    for i, shot in enumerate(shots):
        span = np.arange(len(shot.frames))
        level = mean + (100 - mean) * 0.45 * math.sin(1.7 * i)
        wave = (100 - mean) * 0.12 * np.sin(span / 6.0 + i)
        dip = (100 - mean) * 0.9 * np.exp(-span / 3.0) + 1.5 * (span % 50 == 49)
        values[shot.frames.start : shot.frames.end] = level + wave - dip
    values += mean - 0.4 - values.mean()
    return np.clip(values[::every], 0.0, 99.8)


def frame_bytes_of(bitrate: int, shots: Sequence[Shot], frames: int) -> NDArray[np.int64]:
    mean = bitrate / 8 / float(RATE)
    number = np.arange(frames)
    kind = np.where(number % 50 == 0, 6.0, np.where(number % 4 == 0, 1.6, 0.6))
    level = np.ones(frames)
    for shot in shots:
        level[shot.frames.start : shot.frames.end] = 0.3 + shot.complexity.temporal / 14
    sizes: NDArray[np.int64] = np.maximum(mean * kind * level, 20).astype(np.int64)
    return sizes


def _pooled(values: NDArray[np.float64]) -> Pooled:
    return Pooled(
        float(values.mean()),
        float(len(values) / np.sum(1 / np.maximum(values, 1e-3))),
        float(np.percentile(values, 1)),
        float(np.percentile(values, 5)),
        float(values.min()),
    )


def _scores(
    rung: Rung, values: NDArray[np.float64], shots: Sequence[Shot], every: int
) -> RenditionScore:
    vmaf_shots = []
    for shot in shots:
        part = values[-(-shot.frames.start // every) : -(-shot.frames.end // every)]
        vmaf_shots.append(_pooled(part) if len(part) else None)
    mean = float(values.mean())
    metrics = [MetricScore("vmaf", MODEL, _pooled(values), tuple(vmaf_shots))]
    for name, level, spread in (
        ("psnr_y", 24 + mean / 6, 1.7),
        ("psnr_u", 29 + mean / 6, 1.2),
        ("psnr_v", 30 + mean / 6, 1.1),
        ("ssim", 0.80 + mean / 525, 0.012),
    ):
        pooled = Pooled(level, level - 0.02, level - 3 * spread, level - 2 * spread, level / 1.3)
        metrics.append(MetricScore(name, "ffmpeg", pooled, tuple(pooled for _ in shots)))
    return RenditionScore(rung.id, 1920, 1080, every, tuple(metrics), Path(f"{rung.id}.npz"))


# The smallest valid PNG: one grey pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a4944415478da6368000000820081772cd6d30000000049454e44ae426082"
)


def worst(chosen: Ladder, count: int = 2) -> tuple[WorstFrame, ...]:
    return tuple(
        WorstFrame(
            rendition=chosen.rungs[i % len(chosen.rungs)].id,
            frame=31 + 40 * i,
            time=Fraction(31 + 40 * i) / RATE,
            shot=i % 3,
            vmaf=61.7 - i,
            whole=Triple(PIXEL, PIXEL, PIXEL, 960, 540),
            detail=Triple(PIXEL, PIXEL, PIXEL, 352, 198) if i == 0 else None,
            detail_at=(640, 200) if i == 0 else None,
            media_type="image/png",
            gain=8,
        )
        for i in range(count)
    )


def report_data(
    *,
    frames: int = 240,
    shot_count: int = 3,
    rungs: Sequence[tuple[int, int]] = RUNGS,
    name: str = "river_crossing.mov",
    every: int = 1,
    scored: bool = True,
    sound: bool = True,
    savings: bool = True,
    trials: bool = True,
    pictures: tuple[WorstFrame, ...] | None = None,
) -> ReportData:
    """A whole report's data; every switch is a case that really occurs."""
    shots = shots_of(frames, shot_count)
    chosen = ladder(shot_count, rungs=rungs, savings=savings, trials=trials)
    made = renditions(chosen, frames, sound=sound)
    vmaf = (
        {
            rung.id: vmaf_of(rung.expected.vmaf if rung.expected else 80.0, shots, frames, every)
            for rung in chosen.rungs
        }
        if scored
        else {}
    )
    card = Scorecard(
        tuple(_scores(rung, vmaf[rung.id], shots, every) for rung in chosen.rungs) if scored else ()
    )
    packaged = package(chosen, made)
    source = master(frames, name=name, sound=sound)
    result = IngestResult(
        master=source,
        conform=conform(),
        analysis=Analysis(frames, RATE, shots),
        ladder=chosen,
        first_ladder=_before_correction(chosen),
        renditions=made,
        package=packaged,
        scorecard=card if scored else None,
        cost=Cost(
            probe_cpu_seconds=0.4,
            analysis_cpu_seconds=3.1,
            ladder_cpu_seconds=48.2,
            encode_cpu_seconds=96.4,
            audio_cpu_seconds=1.1,
            pictures_cpu_seconds=0.3,
            package_cpu_seconds=0.2,
            score_cpu_seconds=31.7,
            wall_seconds=102.6,
        ),
        made_by=MadeBy(
            version="0.1.0",
            ffmpeg="n9.0.2",
            command=("encoder", "ingest", str(source.path), "-o", "/srv/out/river crossing"),
            libraries=(("PyAV", "18.1.0"), ("NumPy", "2.4.6")),
        ),
        warnings=("Deutsch is silent from beginning to end",) if sound else (),
    )
    return ReportData(
        result=result,
        vmaf=vmaf,
        frame_bytes={
            t.id: frame_bytes_of(t.average_bitrate, shots, frames)
            for t in packaged.tracks
            if t.kind == "video"
        },
        worst=(worst(chosen) if pictures is None else pictures) if scored else (),
    )


def without_expectations(data: ReportData) -> ReportData:
    """The same as a fixed policy without trials would give it: nothing predicted."""
    chosen = data.result.ladder
    rungs = tuple(
        replace(r, expected=None, crf_per_shot=(), target_bitrate=4_000_000) for r in chosen.rungs
    )
    bare = replace(chosen, rungs=rungs, trials=(), curves=(), hull=(), savings=None)
    return replace(data, result=replace(data.result, ladder=bare))
