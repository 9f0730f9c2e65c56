"""The JSON object of an ingest, schema ``encoder.ingest/1``; docs/json.md says what each field is.

Bitrates are whole bits per second. A number that does not exist (not measured, or infinite) is
null: the document never holds NaN or Infinity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from encoder.media.colour import Colour, Hdr
from encoder.media.conform import Conform, Filter
from encoder.media.ladder import Ladder, RateQualityPoint, Rung, Savings
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.renditions import AudioRendition, Rendition
from encoder.media.scores import METRICS, Pooled, RenditionScore
from encoder.media.serial import fraction_text
from encoder.media.shots import Shot
from encoder.report.data import Cost, IngestResult
from encoder.report.text import encodable

SCHEMA = "encoder.ingest/1"

# More than any metric's own precision, and short enough to read.
_DIGITS = 4
_SSIM_DIGITS = 6

Plain = dict[str, Any]


def ingest_document(result: IngestResult) -> Plain:
    """The result of an ingest as plain data, ready for :func:`json.dumps`.

    Raises:
        KeyError: when a rendition or audio track is not in the package.
    """
    document = {
        "schema": SCHEMA,
        "master": _master(result.master),
        "conform": _conform(result.conform, result.analysis.frames),
        "shots": [_shot(shot) for shot in result.analysis.shots],
        "ladder": _ladder(result.ladder),
        "renditions": [_rendition(one, result) for one in result.renditions.video],
        "audio": [_audio(one, result.package) for one in result.renditions.audio],
        "package": _package(result.package),
        "cost": _cost(result.cost),
        "savings": _savings(result.ladder.savings),
        "warnings": list(result.warnings),
        "made_by": {
            "version": result.made_by.version,
            "ffmpeg": result.made_by.ffmpeg,
            "libraries": [
                {"name": name, "version": version} for name, version in result.made_by.libraries
            ],
            "command": list(result.made_by.command),
            "policy": result.ladder.policy,
            "policy_digest": result.ladder.policy_digest,
            "master_digest": result.master.digest,
        },
    }
    clean: Plain = _encodable(document)
    return clean


def _encodable(value: Any) -> Any:
    """The same with all text fit for UTF-8: file names may hold bytes that are not."""
    if isinstance(value, dict):
        return {key: _encodable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    return encodable(value) if isinstance(value, str) else value


def _number(value: float | None, digits: int = _DIGITS) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def _seconds(time: Fraction) -> float:
    return round(float(time), 6)


def _path(path: Path) -> str:
    return path.as_posix()


def _colour(colour: Colour) -> Plain:
    return {
        "primaries": colour.primaries,
        "transfer": colour.transfer,
        "matrix": colour.matrix,
        "range": colour.range,
    }


def _hdr(hdr: Hdr | None) -> Plain | None:
    if hdr is None:
        return None
    return {
        "mastering_display": hdr.mastering_display,
        "max_content_light": hdr.max_content_light,
        "max_average_light": hdr.max_average_light,
        "dolby_vision_profile": hdr.dolby_vision_profile,
    }


def _master(master: Master) -> Plain:
    video = master.video
    return {
        "path": _path(master.path),
        "digest": master.digest,
        "bytes": master.size,
        "container": master.container,
        "duration": _seconds(master.duration),
        "bitrate": master.bitrate,
        "stream_index": video.index,
        "codec": video.codec,
        "profile": video.profile,
        "width": video.width,
        "height": video.height,
        "sample_aspect": fraction_text(video.sample_aspect),
        "rotation": video.rotation,
        "mirrored": video.mirrored,
        "frames": video.frames,
        "frame_rate": fraction_text(video.frame_rate),
        "average_frame_rate": fraction_text(video.average_frame_rate),
        "cadence": video.cadence,
        "scan": video.scan,
        "pixel_format": video.pixel_format,
        "bit_depth": video.bit_depth,
        "colour": _colour(video.colour),
        "hdr": _hdr(video.hdr),
        "timecode": video.timecode,
        "audio": [
            {
                "stream_index": one.index,
                "codec": one.codec,
                "sample_rate": one.sample_rate,
                "channels": one.channels,
                "layout": one.layout,
                "language": one.language,
                "title": one.title,
            }
            for one in master.audio
        ],
        "text": [
            {
                "stream_index": one.index,
                "codec": one.codec,
                "language": one.language,
                "title": one.title,
            }
            for one in master.text
        ],
        "defects": list(master.defects),
    }


def filter_text(one: Filter) -> str:
    """A filter as one would read it: ``scale=1280:720:flags=lanczos``, unescaped."""
    settings = [*one.arguments, *(f"{key}={value}" for key, value in one.options)]
    return f"{one.name}={':'.join(settings)}" if settings else one.name


def _conform(conform: Conform, frames: int) -> Plain:
    return {
        "width": conform.width,
        "height": conform.height,
        "frames": frames,
        "frame_rate": fraction_text(conform.frame_rate),
        "pixel_format": conform.pixel_format,
        "colour": _colour(conform.colour),
        "tone_mapped": conform.tone_mapped,
        "filters": [filter_text(one) for one in conform.filters],
        "changes": list(conform.changes),
    }


def _shot(shot: Shot) -> Plain:
    complexity = shot.complexity
    return {
        "start": shot.frames.start,
        "end": shot.frames.end,
        "cut": shot.cut,
        "complexity": {
            "spatial": _number(complexity.spatial),
            "temporal": _number(complexity.temporal),
            "texture": _number(complexity.texture),
            "noise": _number(complexity.noise),
            "brightness": _number(complexity.brightness),
        },
    }


def _points(points: Iterable[RateQualityPoint]) -> list[Plain]:
    return [
        {
            "width": point.width,
            "height": point.height,
            "crf": _number(point.crf),
            "bitrate": point.bitrate,
            "vmaf": _number(point.vmaf),
        }
        for point in points
    ]


def _rung(rung: Rung) -> Plain:
    expected = rung.expected
    return {
        "id": rung.id,
        "codec": rung.codec,
        "width": rung.width,
        "height": rung.height,
        "preset": rung.preset,
        "crf_per_shot": [_number(crf) for crf in rung.crf_per_shot],
        "target_bitrate": rung.target_bitrate,
        "max_bitrate": rung.max_bitrate,
        "buffer_bits": rung.buffer_bits,
        "expected": None
        if expected is None
        else {"average_bitrate": expected.average_bitrate, "vmaf": _number(expected.vmaf)},
        "why": rung.why,
    }


def _ladder(ladder: Ladder) -> Plain:
    return {
        "policy": ladder.policy,
        "policy_digest": ladder.policy_digest,
        "codec": ladder.codec,
        "preset": ladder.preset,
        "frame_rate": fraction_text(ladder.frame_rate),
        "vmaf_model": ladder.vmaf_model,
        "rungs": [_rung(rung) for rung in ladder.rungs],
        "trials": _points(ladder.trials),
        "hull": _points(ladder.hull),
        "notes": list(ladder.notes),
    }


def _savings(savings: Savings | None) -> Plain | None:
    if savings is None:
        return None
    return {
        "reference_policy": savings.reference_policy,
        "bd_rate_vmaf": _number(savings.bd_rate_vmaf),
        "reference_points": _points(savings.reference_points),
    }


def _rendition(rendition: Rendition, result: IngestResult) -> Plain:
    track = result.package.track(rendition.id)
    score = result.score(rendition.id)
    return {
        "id": rendition.id,
        "codec": rendition.codec,
        "codec_string": track.codec_string,
        "width": rendition.width,
        "height": rendition.height,
        "frame_rate": fraction_text(rendition.frame_rate),
        "frames": rendition.frames,
        "path": _path(track.path),
        "bytes": track.bytes,
        "segments": track.segments,
        "average_bitrate": track.average_bitrate,
        "peak_bitrate": track.peak_bitrate,
        "against_expected": against_expected(rendition.id, result),
        "scores": None if score is None else _scores(score, result.scores_folder),
    }


def against_expected(rendition: str, result: IngestResult) -> Plain | None:
    """What a rendition delivers against what its rung was predicted to.

    ``bitrate_percent`` is positive when it came out larger, ``vmaf`` when it came out better; None
    when nothing was predicted.
    """
    expected = next((r.expected for r in result.ladder.rungs if r.id == rendition), None)
    if expected is None:
        return None
    delivered = result.package.track(rendition).average_bitrate
    vmaf = _mean(result.score(rendition), "vmaf")
    return {
        "bitrate_percent": _number(100.0 * (delivered / expected.average_bitrate - 1.0))
        if expected.average_bitrate
        else None,
        "vmaf": None if vmaf is None else _number(vmaf - expected.vmaf),
    }


def _mean(score: RenditionScore | None, metric: str) -> float | None:
    pooled = {m.metric: m.title for m in score.metrics}.get(metric) if score else None
    return None if pooled is None else _number(pooled.mean)


def _scores(score: RenditionScore, folder: Path) -> Plain:
    by_name = {one.metric: one for one in score.metrics}
    plain: Plain = {
        "resolution": f"{score.width}x{score.height}",
        "every": score.every,
        "per_frame": _path(folder / score.frames),
    }
    for name in METRICS:
        one = by_name.get(name)
        digits = _SSIM_DIGITS if name == "ssim" else _DIGITS
        plain[name] = None if one is None else {"model": one.model, **_pooled(one.title, digits)}
    return plain


def _pooled(pooled: Pooled, digits: int) -> Plain:
    return {
        "mean": _number(pooled.mean, digits),
        "harmonic_mean": _number(pooled.harmonic_mean, digits),
        "p1": _number(pooled.p1, digits),
        "p5": _number(pooled.p5, digits),
        "min": _number(pooled.min, digits),
    }


def _audio(audio: AudioRendition, package: Package) -> Plain:
    track = package.track(audio.id)
    return {
        "id": audio.id,
        "codec": audio.codec,
        "codec_string": track.codec_string,
        "language": audio.language,
        "name": audio.name,
        "channels": audio.channels,
        "sample_rate": audio.sample_rate,
        "default": audio.default,
        "roles": list(audio.roles),
        "path": _path(track.path),
        "bytes": track.bytes,
        "segments": track.segments,
        "average_bitrate": track.average_bitrate,
        "peak_bitrate": track.peak_bitrate,
        "loudness": {
            "integrated": _number(audio.loudness.integrated),
            "range": _number(audio.loudness.range),
            "true_peak": _number(audio.loudness.true_peak),
        },
        "gain": _number(audio.gain),
    }


def _package(package: Package) -> Plain:
    return {
        "path": _path(package.path),
        "hls": _path(package.hls),
        "dash": _path(package.dash),
        "bytes": package.bytes,
        "duration": _seconds(max((t.duration for t in package.tracks), default=Fraction(0))),
    }


def _cost(cost: Cost) -> Plain:
    return {
        "probe_cpu_seconds": _number(cost.probe_cpu_seconds),
        "analysis_cpu_seconds": _number(cost.analysis_cpu_seconds),
        "ladder_cpu_seconds": _number(cost.ladder_cpu_seconds),
        "encode_cpu_seconds": _number(cost.encode_cpu_seconds),
        "audio_cpu_seconds": _number(cost.audio_cpu_seconds),
        "package_cpu_seconds": _number(cost.package_cpu_seconds),
        "score_cpu_seconds": _number(cost.score_cpu_seconds),
        "wall_seconds": _number(cost.wall_seconds),
    }
