"""How values read in every JSON object: a concept has one name, one unit and one spelling."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from uuid import UUID

from encoder.media.colour import Colour, Hdr
from encoder.media.conform import Conform, Filter
from encoder.media.ladder import RateQualityPoint, ShotHull
from encoder.media.master import AudioStream, Master, TextStream, VideoStream
from encoder.media.package import Package, PackagedPictures, PackagedProtection
from encoder.media.scores import METRICS, Pooled, RenditionScore
from encoder.media.serial import fraction_text
from encoder.media.shots import Shot
from encoder.report.plain import DIGITS, Plain, number, seconds

_SSIM_DIGITS = 6


def path_text(path: Path) -> str:
    """A path with ``/`` between its parts."""
    return path.as_posix()


def colour(value: Colour) -> Plain:
    """Colour as signalled."""
    return {
        "primaries": value.primaries,
        "transfer": value.transfer,
        "matrix": value.matrix,
        "range": value.range,
    }


def hdr(value: Hdr | None) -> Plain | None:
    """Static HDR metadata."""
    if value is None:
        return None
    return {
        "mastering_display": value.mastering_display,
        "max_content_light": value.max_content_light,
        "max_average_light": value.max_average_light,
        "dolby_vision_profile": value.dolby_vision_profile,
    }


def master_file(master: Master) -> Plain:
    """The source file, without its streams."""
    return {
        "path": path_text(master.path),
        "digest": master.digest,
        "bytes": master.size,
        "container": master.container,
        "duration": seconds(master.duration),
        "bitrate": master.bitrate,
    }


def video_stream(video: VideoStream) -> Plain:
    """A video stream of a master, before conforming."""
    return {
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
        "colour": colour(video.colour),
        "hdr": hdr(video.hdr),
        "timecode": video.timecode,
    }


def audio_stream(audio: AudioStream) -> Plain:
    """An audio stream of a master."""
    return {
        "stream_index": audio.index,
        "codec": audio.codec,
        "sample_rate": audio.sample_rate,
        "channels": audio.channels,
        "layout": audio.layout,
        "language": audio.language,
        "title": audio.title,
    }


def text_stream(text: TextStream) -> Plain:
    """A subtitle or caption stream of a master."""
    return {
        "stream_index": text.index,
        "codec": text.codec,
        "language": text.language,
        "title": text.title,
    }


def filter_text(one: Filter) -> str:
    """A filter as one would read it: ``scale=1280:720:flags=lanczos``, unescaped."""
    settings = [*one.arguments, *(f"{key}={value}" for key, value in one.options)]
    return f"{one.name}={':'.join(settings)}" if settings else one.name


def conform_chain(conform: Conform) -> Plain:
    """The reference pictures, and how they are made."""
    return {
        "width": conform.width,
        "height": conform.height,
        "frame_rate": fraction_text(conform.frame_rate),
        "pixel_format": conform.pixel_format,
        "colour": colour(conform.colour),
        "tone_mapped": conform.tone_mapped,
        "filters": [filter_text(one) for one in conform.filters],
        "changes": list(conform.changes),
    }


def shot_fields(shot: Shot) -> Plain:
    """A shot and its complexity."""
    complexity = shot.complexity
    return {
        "start": shot.frames.start,
        "end": shot.frames.end,
        "cut": shot.cut,
        "complexity": {
            "spatial": number(complexity.spatial),
            "temporal": number(complexity.temporal),
            "texture": number(complexity.texture),
            "noise": number(complexity.noise),
            "brightness": number(complexity.brightness),
            "detail": [number(value) for value in complexity.detail],
        },
    }


def rate_quality(points: Iterable[RateQualityPoint]) -> list[Plain]:
    """Points of a title's surface."""
    return [
        {
            "width": point.width,
            "height": point.height,
            "crf": number(point.crf),
            "bitrate": point.bitrate,
            "vmaf": number(point.vmaf),
        }
        for point in points
    ]


def shot_hull(hull: ShotHull) -> Plain:
    """What bits buy in one shot, and the rungs in it."""
    return {
        "shot": hull.shot,
        "points": rate_quality(hull.points),
        "rungs": rate_quality(hull.rungs),
    }


def package_files(package: Package) -> Plain:
    """A package, without its tracks."""
    return {
        "path": path_text(package.path),
        "hls": path_text(package.hls),
        "dash": path_text(package.dash) if package.dash else None,
        "bytes": package.bytes,
        "duration": seconds(max((t.duration for t in package.tracks), default=Fraction(0))),
        "thumbnails": _thumbnails(package.pictures),
        "poster": _poster(package.pictures),
        "protection": _protection(package.protection),
    }


def _protection(found: PackagedProtection | None) -> Plain | None:
    """Never the keys: they are not known here."""
    if found is None:
        return None
    return {
        "scheme": found.scheme,
        "kids": [str(UUID(bytes=kid)) for kid in found.kids],
        "clear_lead": seconds(found.clear),
    }


def _thumbnails(pictures: PackagedPictures | None) -> Plain | None:
    found = pictures and pictures.thumbnails
    if not pictures or not found or not pictures.playlist or not pictures.sprite_map:
        return None
    return {
        "playlist": path_text(pictures.playlist),
        "sprite_map": path_text(pictures.sprite_map),
        "width": found.width,
        "height": found.height,
        "columns": found.columns,
        "rows": found.rows,
        "count": found.count,
        "interval": seconds(pictures.interval),
        "sheets": [path_text(one) for one in found.sheets],
    }


def _poster(pictures: PackagedPictures | None) -> Plain | None:
    found = pictures and pictures.poster
    if not found:
        return None
    return {
        "path": path_text(found.path),
        "frame": found.frame,
        "width": found.width,
        "height": found.height,
    }


def scores(score: RenditionScore, per_frame: Path | None, *, per_shot: bool = False) -> Plain:
    """Every metric of a rendition.

    Args:
        score: the scores.
        per_frame: where the values of its frames are kept; None when they are not.
        per_shot: whether the poolings of each shot are given as well.
    """
    by_name = {one.metric: one for one in score.metrics}
    plain: Plain = {
        "resolution": f"{score.width}x{score.height}",
        "every": score.every,
        "per_frame": None if per_frame is None else path_text(per_frame),
    }
    for name in METRICS:
        one = by_name.get(name)
        if one is None:
            plain[name] = None
            continue
        plain[name] = {"model": one.model, **_pooled(one.title, name)}
        if per_shot:
            plain[name]["shots"] = [
                None if shot is None else _pooled(shot, name) for shot in one.shots
            ]
    return plain


def _pooled(pooled: Pooled, metric: str) -> Plain:
    digits = _SSIM_DIGITS if metric == "ssim" else DIGITS
    return {
        "mean": number(pooled.mean, digits),
        "harmonic_mean": number(pooled.harmonic_mean, digits),
        "p1": number(pooled.p1, digits),
        "p5": number(pooled.p5, digits),
        "min": number(pooled.min, digits),
    }
