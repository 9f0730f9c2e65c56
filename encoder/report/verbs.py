"""The JSON objects of the single verbs; docs/json-verbs.md says what each field is.

What a later verb reads back (a ladder, a folder of renditions) is the value itself, unrounded;
everything else is spelled as in the ingest's document.
"""

from __future__ import annotations

from collections.abc import Sequence

from encoder.media.conform import Conform
from encoder.media.ladder import Explanation, Ladder
from encoder.media.master import AudioStream, Master, TextStream, VideoStream
from encoder.media.package import Package
from encoder.media.renditions import RenditionSet
from encoder.media.serial import fraction_text, to_plain
from encoder.media.shots import Analysis
from encoder.report.fields import (
    audio_stream,
    conform_chain,
    master_file,
    package_files,
    path_text,
    shot_fields,
    text_stream,
    video_stream,
)
from encoder.report.plain import Plain, seconds

PROBE_SCHEMA = "encoder.probe/1"
ANALYSIS_SCHEMA = "encoder.analysis/1"
LADDER_SCHEMA = "encoder.ladder/1"
EXPLANATION_SCHEMA = "encoder.explanation/1"
RENDITIONS_SCHEMA = "encoder.renditions/1"
PACKAGE_SCHEMA = "encoder.package/1"
PREVIEW_SCHEMA = "encoder.preview/1"


def probe_document(master: Master, conform: Conform) -> Plain:
    """What a master is, and how its pictures become reference pictures."""
    return {
        "schema": PROBE_SCHEMA,
        **master_file(master),
        "start": seconds(master.start),
        "video": _video(master.video),
        "other_video": [_video(one) for one in master.other_video],
        "audio": [_audio(one) for one in master.audio],
        "text": [_text(one) for one in master.text],
        "other": list(master.other),
        "chapters": [
            {"start": seconds(one.start), "end": seconds(one.end), "title": one.title}
            for one in master.chapters
        ],
        "tags": [{"name": name, "value": value} for name, value in master.tags],
        "defects": list(master.defects),
        "conform": {
            "stream_index": conform.stream_index,
            "input_options": [
                {"name": name, "value": value} for name, value in conform.input_options
            ],
            **conform_chain(conform),
            "audio_offset": seconds(conform.audio_offset),
        },
    }


def _video(video: VideoStream) -> Plain:
    return {
        **video_stream(video),
        "display_aspect": fraction_text(video.display_aspect),
        "field_order": video.field_order,
        "parity": video.parity,
        "timed": video.timed,
        "start": seconds(video.start),
        "duration": seconds(video.duration),
        "bitrate": video.bitrate,
        "language": video.language,
        "disposition": list(video.disposition),
    }


def _audio(audio: AudioStream) -> Plain:
    return {
        **audio_stream(audio),
        "profile": audio.profile,
        "start": seconds(audio.start),
        "duration": seconds(audio.duration),
        "bitrate": audio.bitrate,
        "disposition": list(audio.disposition),
    }


def _text(text: TextStream) -> Plain:
    return {**text_stream(text), "disposition": list(text.disposition)}


def analysis_document(analysis: Analysis) -> Plain:
    """The shots of a title."""
    return {
        "schema": ANALYSIS_SCHEMA,
        "frames": analysis.frames,
        "frame_rate": fraction_text(analysis.frame_rate),
        "shots": [shot_fields(shot) for shot in analysis.shots],
    }


def ladder_document(ladder: Ladder) -> Plain:
    """A ladder, from which the same ladder can be read back."""
    return {"schema": LADDER_SCHEMA, **to_plain(ladder)}


def explanation_document(explanations: Sequence[Explanation]) -> Plain:
    """Why each rung is as it is."""
    return {"schema": EXPLANATION_SCHEMA, "rungs": to_plain(tuple(explanations))}


def renditions_document(renditions: RenditionSet) -> Plain:
    """A folder of renditions, from which the same set can be read back."""
    return {"schema": RENDITIONS_SCHEMA, **to_plain(renditions)}


def package_document(package: Package) -> Plain:
    """A package and its tracks."""
    return {
        "schema": PACKAGE_SCHEMA,
        **package_files(package),
        "tracks": [
            {
                "id": track.id,
                "kind": track.kind,
                "path": path_text(track.path),
                "codec_string": track.codec_string,
                "average_bitrate": track.average_bitrate,
                "peak_bitrate": track.peak_bitrate,
                "bytes": track.bytes,
                "duration": seconds(track.duration),
                "frames": track.frames,
                "segments": track.segments,
            }
            for track in package.tracks
        ],
    }


def published_package(package: Package) -> Plain:
    """What the list of a package's files says of its renditions and pictures, for those who score
    or show it."""
    files = package_files(package)
    return {
        "hls": path_text(package.hls),
        "dash": path_text(package.dash) if package.dash else None,
        "renditions": [
            {"id": track.id, "path": path_text(track.path)}
            for track in package.tracks
            if track.kind == "video"
        ],
        "thumbnails": files["thumbnails"],
        "poster": files["poster"],
        "protection": files["protection"],
    }


def preview_document(url: str, port: int) -> Plain:
    """Where a preview is served."""
    return {"schema": PREVIEW_SCHEMA, "url": url, "port": port}
