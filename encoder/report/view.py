"""What each part of the page shows, as rows of values and text; the template only lays them out."""

from __future__ import annotations

from dataclasses import dataclass

from encoder.media.colour import Colour
from encoder.media.master import Master
from encoder.media.scores import Pooled, RenditionScore
from encoder.report import text
from encoder.report.data import Cost, IngestResult, ReportData, WorstFrame
from encoder.report.rate_quality import Measured
from encoder.report.timeline import Series

_CODECS = {"h264": "H.264", "av1": "AV1", "hevc": "HEVC", "vp9": "VP9"}


def codec_name(codec: str) -> str:
    """A codec as people write it."""
    return _CODECS.get(codec, codec)


def pooled(score: RenditionScore | None, metric: str) -> Pooled | None:
    """A metric over the title, None when it was not measured."""
    return {m.metric: m.title for m in score.metrics}.get(metric) if score else None


def measured(result: IngestResult) -> tuple[Measured, ...]:
    """What each rendition delivered, of those that were measured."""
    found = []
    for one in result.renditions.video:
        vmaf = pooled(result.score(one.id), "vmaf")
        if vmaf is not None:
            found.append((one.id, result.package.track(one.id).average_bitrate, vmaf.mean))
    return tuple(found)


def series(data: ReportData) -> tuple[Series, ...]:
    """The renditions over time, in the order of the rungs."""
    found = []
    for one in data.result.renditions.video:
        score = data.result.score(one.id)
        found.append(
            Series(
                id=one.id,
                vmaf=data.vmaf.get(one.id),
                every=score.every if score else 1,
                frame_bytes=data.frame_bytes.get(one.id),
                keyframes=one.keyframes,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure."""

    title: str
    value: str
    unit: str
    note: str


def tiles(result: IngestResult) -> list[Tile]:
    """The headline figures."""
    found = [_quality_tile(result)]
    savings = result.ladder.savings
    if savings is not None:
        change = savings.bd_rate_vmaf
        reference = text.elided(savings.reference_policy, 24)
        if change is None:
            note = f"no quality in common with {reference}"
            found.append(Tile("Bits saved", text.DASH, "", note))
        else:
            word = "fewer" if change <= 0 else "more"
            found.append(
                Tile(
                    "Bits saved" if change <= 0 else "Bits added",
                    f"{abs(change):.1f}",
                    "%",
                    f"{word} than {reference} at equal VMAF, as expected",
                )
            )
    heights = [min(r.width, r.height) for r in result.renditions.video]
    span = f"{max(heights)}p" if len(set(heights)) == 1 else f"{max(heights)}p to {min(heights)}p"
    found.append(Tile("Rungs", str(len(heights)), "", f"{span}, {codec_name(result.ladder.codec)}"))
    value, _, unit = text.size(result.package.bytes).partition(text.SPACE)
    tracks = f"{len(heights)} video and {len(result.renditions.audio)} audio"
    found.append(
        Tile("Package", value, unit, f"{tracks if result.renditions.audio else 'no audio'}")
    )
    seconds = result.analysis.frames / result.conform.frame_rate
    value, _, unit = text.duration(seconds).partition(text.SPACE)
    frames = f"{text.grouped(result.analysis.frames)} frames"
    found.append(Tile("Duration", value, unit, f"{frames}, {_shots(len(result.analysis.shots))}"))
    cpu = result.cost.cpu_seconds
    value, _, unit = text.duration(cpu).partition(text.SPACE)
    wall = text.duration(result.cost.wall_seconds)
    found.append(Tile("CPU time", value, unit, f"{wall} by the clock"))
    return found


def _shots(count: int) -> str:
    return "1 shot" if count == 1 else f"{text.grouped(count)} shots"


def _quality_tile(result: IngestResult) -> Tile:
    best: tuple[str, Pooled] | None = None
    for one in result.renditions.video:
        vmaf = pooled(result.score(one.id), "vmaf")
        if vmaf is not None and (best is None or vmaf.mean > best[1].mean):
            best = one.id, vmaf
    if best is not None:
        note = f"95{text.SPACE}% of frames above {best[1].p5:.1f}, {text.elided(best[0], 24)}"
        return Tile("Top quality", f"{best[1].mean:.1f}", "VMAF", note)
    expected = [r.expected.vmaf for r in result.ladder.rungs if r.expected]
    if expected:
        return Tile("Top quality", f"{max(expected):.1f}", "VMAF", "expected; not measured")
    return Tile("Top quality", text.DASH, "", "not measured")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A property of the master beside the same of the reference pictures."""

    name: str
    master: str
    reference: str

    @property
    def changed(self) -> bool:
        """Whether conforming changed it."""
        return self.master != self.reference


def comparison(result: IngestResult) -> list[Comparison]:
    """What went in and what everything was made from, property by property."""
    video, conform = result.master.video, result.conform
    pixels = text.resolution(video.width, video.height)
    shape = "square" if video.sample_aspect == 1 else str(video.sample_aspect).replace("/", ":")
    turned = f"{video.rotation}° clockwise" if video.rotation else "upright"
    if video.mirrored:
        turned = "mirrored" if not video.rotation else f"mirrored, {turned}"
    return [
        Comparison("Resolution", pixels, text.resolution(conform.width, conform.height)),
        Comparison("Pixels", shape, "square"),
        Comparison("Orientation", turned, "upright"),
        Comparison(
            "Frame rate",
            text.frame_rate(video.frame_rate)
            + (" on average, variable" if video.cadence == "variable" else ""),
            text.frame_rate(conform.frame_rate),
        ),
        Comparison("Frames", text.grouped(video.frames), text.grouped(result.analysis.frames)),
        Comparison("Scan", video.scan, "progressive"),
        Comparison("Pixel format", video.pixel_format, conform.pixel_format),
        Comparison("Colour", colour_text(video.colour), colour_text(conform.colour)),
    ]


def colour_text(colour: Colour) -> str:
    """Primaries, transfer and matrix, once where they agree, and the range."""
    names = [colour.primaries, colour.transfer, colour.matrix]
    joined = names[0] if len(set(names)) == 1 else " / ".join(names)
    if joined == "unknown" and colour.range == "unknown":
        return "not signalled"
    return joined if colour.range == "unknown" else f"{joined}, {colour.range} range"


def facts(result: IngestResult) -> list[tuple[str, str]]:
    """Further facts of the master, by name."""
    master = result.master
    codec = f"{master.video.codec} {master.video.profile}".strip()
    found = [("Video", codec), ("Container", _container(master)), ("Size", text.size(master.size))]
    if master.bitrate:
        found.append(("Bitrate", text.bitrate(master.bitrate)))
    sound = [f"{a.language} {a.layout}, {a.codec}" for a in master.audio]
    found.append(("Audio", "; ".join(sound) or "none"))
    if master.text:
        found.append(("Text", "; ".join(f"{t.language} {t.codec}" for t in master.text)))
    if master.chapters:
        found.append(("Chapters", str(len(master.chapters))))
    if master.video.timecode:
        found.append(("Timecode", master.video.timecode))
    return found


def _container(master: Master) -> str:
    """FFmpeg names families of containers; the file's own suffix says which, if it is of them."""
    names = master.container.split(",")
    suffix = master.path.suffix.lower().lstrip(".")
    return suffix if suffix in names else names[0]


@dataclass(frozen=True, slots=True)
class RungRow:
    """A line of the ladder table; None where there is nothing to say."""

    index: int
    id: str
    codec: str
    codec_string: str
    width: int
    height: int
    average: int
    peak: int
    expected_bitrate: int | None
    first_bitrate: int | None
    first_vmaf: float | None
    bitrate_off: float | None
    vmaf: Pooled | None
    expected_vmaf: float | None
    vmaf_off: float | None
    psnr: Pooled | None
    ssim: Pooled | None
    rate_control: str
    why: str


def rung_rows(result: IngestResult) -> list[RungRow]:
    """The ladder table, from the best rung to the cheapest."""
    by_id = {rung.id: rung for rung in result.ladder.rungs}
    rows = []
    for index, one in enumerate(result.renditions.video):
        track, score, rung = result.package.track(one.id), result.score(one.id), by_id.get(one.id)
        vmaf = pooled(score, "vmaf")
        expected = rung.expected if rung else None
        first = result.first_expected(one.id)
        rows.append(
            RungRow(
                index=index,
                id=one.id,
                codec=codec_name(one.codec),
                codec_string=track.codec_string,
                width=one.width,
                height=one.height,
                average=track.average_bitrate,
                peak=track.peak_bitrate,
                expected_bitrate=expected.average_bitrate if expected else None,
                first_bitrate=first.average_bitrate if first else None,
                first_vmaf=first.vmaf if first else None,
                bitrate_off=100.0 * (track.average_bitrate / expected.average_bitrate - 1.0)
                if expected and expected.average_bitrate
                else None,
                vmaf=vmaf,
                expected_vmaf=expected.vmaf if expected else None,
                vmaf_off=vmaf.mean - expected.vmaf if vmaf and expected else None,
                psnr=pooled(score, "psnr_y"),
                ssim=pooled(score, "ssim"),
                rate_control=_rate_control(rung.crf_per_shot, rung.target_bitrate) if rung else "",
                why=rung.why if rung else "",
            )
        )
    return rows


def _rate_control(crfs: tuple[float, ...], target: int | None) -> str:
    if target is not None:
        return f"target {text.bitrate(target)}"
    if not crfs:
        return ""
    low, high = min(crfs), max(crfs)
    return f"CRF {low:g}" if low == high else f"CRF {low:g} to {high:g} by shot"


@dataclass(frozen=True, slots=True)
class ShotRow:
    """A line of the table of shots; ``bars`` are texture and motion as shares of the greatest."""

    number: int
    start: str
    seconds: str
    frames: int
    begins: str
    spatial: float
    temporal: float
    texture: float
    noise: float
    brightness: float
    bars: tuple[float, float]
    vmaf: float | None
    lowest: float | None


def shot_rows(result: IngestResult) -> list[ShotRow]:
    """The shots, with the VMAF that the best rendition has in each."""
    shots = result.analysis.shots
    texture = max((s.complexity.texture for s in shots), default=0.0) or 1.0
    temporal = max((s.complexity.temporal for s in shots), default=0.0) or 1.0
    score = result.score(result.renditions.video[0].id) if result.renditions.video else None
    per_shot = {m.metric: m.shots for m in score.metrics}.get("vmaf", ()) if score else ()
    rate = result.conform.frame_rate
    rows = []
    for index, shot in enumerate(shots):
        one, found = shot.complexity, per_shot[index] if index < len(per_shot) else None
        rows.append(
            ShotRow(
                number=index + 1,
                start=text.clock(shot.frames.start / rate),
                seconds=f"{float(len(shot.frames) / rate):.2f}",
                frames=len(shot.frames),
                begins="cut" if shot.cut or index == 0 else "split",
                spatial=one.spatial,
                temporal=one.temporal,
                texture=one.texture,
                noise=one.noise,
                brightness=one.brightness,
                bars=(one.texture / texture, one.temporal / temporal),
                vmaf=found.mean if found else None,
                lowest=found.min if found else None,
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A worst frame with the place of its rendition in the ladder, for its colour."""

    index: int
    title: str
    frame: WorstFrame


def picture_row(one: WorstFrame, result: IngestResult) -> PictureRow:
    """A worst frame, captioned."""
    ids = [r.id for r in result.renditions.video]
    where = f"frame {text.grouped(one.frame)} at {text.clock(one.time)}"
    shot = "" if one.shot is None else f", shot {one.shot + 1}"
    return PictureRow(ids.index(one.rendition) if one.rendition in ids else 0, where + shot, one)


@dataclass(frozen=True, slots=True)
class AudioRow:
    """A line of the table of audio tracks."""

    name: str
    language: str
    codec: str
    channels: str
    average: int
    integrated: str
    range: str
    true_peak: str
    gain: str
    default: bool


_CHANNELS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def audio_rows(result: IngestResult) -> list[AudioRow]:
    """The audio tracks; a silent one has no loudness."""

    def level(value: float | None) -> str:
        return text.DASH if value is None else f"{value:.1f}".replace("-", text.MINUS)

    return [
        AudioRow(
            name=one.name,
            language=one.language,
            codec=f"{one.codec.upper()}, {one.sample_rate / 1000:g}{text.SPACE}kHz",
            channels=_CHANNELS.get(one.channels, str(one.channels)),
            average=result.package.track(one.id).average_bitrate,
            integrated=level(one.loudness.integrated),
            range=level(one.loudness.range),
            true_peak=level(one.loudness.true_peak),
            gain=text.signed(one.gain) if one.gain else "none",
            default=one.default,
        )
        for one in result.renditions.audio
    ]


def cost_rows(cost: Cost) -> list[tuple[str, float, float]]:
    """Stage, CPU seconds, share of the whole; the stages that cost something."""
    stages = (
        ("probe", cost.probe_cpu_seconds),
        ("analysis", cost.analysis_cpu_seconds),
        ("trials", cost.ladder_cpu_seconds),
        ("encode", cost.encode_cpu_seconds),
        ("audio", cost.audio_cpu_seconds),
        ("pictures", cost.pictures_cpu_seconds),
        ("package", cost.package_cpu_seconds),
        ("score", cost.score_cpu_seconds),
    )
    whole = cost.cpu_seconds or 1.0
    return [(name, seconds, seconds / whole) for name, seconds in stages if seconds > 0]
