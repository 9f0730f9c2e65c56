"""The JSON object of an ingest, schema ``encoder.ingest/1``; docs/json.md says what each field is.

Bitrates are whole bits per second. A number that does not exist (not measured, or infinite) is
null: the document never holds NaN or Infinity.
"""

from __future__ import annotations

from encoder.media.ladder import Expected, Interval, Ladder, Rung, Savings, Trial
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.renditions import AudioRendition, Rendition, TextRendition
from encoder.media.scores import RenditionScore
from encoder.media.serial import fraction_text
from encoder.report.data import Cost, IngestResult
from encoder.report.fields import (
    audio_stream,
    conform_chain,
    master_file,
    package_files,
    path_text,
    rate_quality,
    scores,
    shot_fields,
    shot_hull,
    text_stream,
    video_stream,
)
from encoder.report.plain import Plain, clean, number

SCHEMA = "encoder.ingest/1"


def ingest_document(result: IngestResult) -> Plain:
    """The result of an ingest as plain data, clean in every part.

    Raises:
        KeyError: when a rendition or audio track is not in the package.
    """
    document = {
        "schema": SCHEMA,
        "master": _master(result.master),
        "conform": {"frames": result.analysis.frames, **conform_chain(result.conform)},
        "shots": [shot_fields(shot) for shot in result.analysis.shots],
        "ladder": _ladder(result.ladder),
        "renditions": [_rendition(one, result) for one in result.renditions.video],
        "audio": [_audio(one, result.package) for one in result.renditions.audio],
        "text": [_text(one, result.package) for one in result.renditions.text],
        "package": package_files(result.package),
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
    plain: Plain = clean(document)
    return plain


def _master(master: Master) -> Plain:
    return {
        **master_file(master),
        **video_stream(master.video),
        "audio": [audio_stream(one) for one in master.audio],
        "text": [text_stream(one) for one in master.text],
        "defects": list(master.defects),
    }


def _rung(rung: Rung) -> Plain:
    expected = rung.expected
    return {
        "id": rung.id,
        "codec": rung.codec,
        "width": rung.width,
        "height": rung.height,
        "preset": rung.preset,
        "crf_per_shot": [number(crf) for crf in rung.crf_per_shot],
        "target_bitrate": rung.target_bitrate,
        "max_bitrate": rung.max_bitrate,
        "buffer_bits": rung.buffer_bits,
        "expected": None
        if expected is None
        else {
            "average_bitrate": expected.average_bitrate,
            "average_bitrate_interval": _interval(expected.average_bitrate_interval),
            "peak_bitrate": expected.peak_bitrate,
            "vmaf": number(expected.vmaf),
            "vmaf_interval": _interval(expected.vmaf_interval),
            "slope": number(expected.slope),
        },
        "max_level": rung.max_level,
        "why": rung.why,
    }


def _interval(interval: Interval) -> Plain:
    return {"low": number(interval.low), "high": number(interval.high)}


def _trial(trial: Trial) -> Plain:
    return {
        "shot": trial.shot,
        "start": trial.start,
        "frames": trial.frames,
        "width": trial.width,
        "height": trial.height,
        "crf": number(trial.crf),
        "key_frames": trial.key_frames,
        "key_bits": trial.key_bits,
        "other_bits": trial.other_bits,
        "vmaf": number(trial.vmaf),
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
        "trials": [_trial(one) for one in ladder.trials],
        "curves": rate_quality(ladder.curves),
        "hull": rate_quality(ladder.hull),
        "shot_hulls": [shot_hull(one) for one in ladder.shot_hulls],
        "notes": list(ladder.notes),
    }


def _savings(savings: Savings | None) -> Plain | None:
    if savings is None:
        return None
    return {
        "reference_policy": savings.reference_policy,
        "bd_rate_vmaf": number(savings.bd_rate_vmaf),
        "reference_points": rate_quality(savings.reference_points),
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
        "path": path_text(track.path),
        "bytes": track.bytes,
        "segments": track.segments,
        "average_bitrate": track.average_bitrate,
        "peak_bitrate": track.peak_bitrate,
        "against_expected": against_expected(rendition.id, result),
        "first_expected": _first_expected(result.first_expected(rendition.id)),
        "scores": None if score is None else scores(score, result.scores_folder / score.frames),
    }


def _first_expected(expected: Expected | None) -> Plain | None:
    if expected is None:
        return None
    return {"average_bitrate": expected.average_bitrate, "vmaf": number(expected.vmaf)}


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
        "bitrate_percent": number(100.0 * (delivered / expected.average_bitrate - 1.0))
        if expected.average_bitrate
        else None,
        "vmaf": None if vmaf is None else number(vmaf - expected.vmaf),
    }


def _mean(score: RenditionScore | None, metric: str) -> float | None:
    pooled = {m.metric: m.title for m in score.metrics}.get(metric) if score else None
    return None if pooled is None else number(pooled.mean)


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
        "path": path_text(track.path),
        "bytes": track.bytes,
        "segments": track.segments,
        "average_bitrate": track.average_bitrate,
        "peak_bitrate": track.peak_bitrate,
        "loudness": {
            "integrated": number(audio.loudness.integrated),
            "range": number(audio.loudness.range),
            "true_peak": number(audio.loudness.true_peak),
        },
        "gain": number(audio.gain),
    }


def _text(text: TextRendition, package: Package) -> Plain:
    track = package.track(text.id)
    return {
        "id": text.id,
        "language": text.language,
        "name": text.name,
        "default": text.default,
        "roles": list(text.roles),
        "cues": text.cues,
        "origin": text.origin,
        "source": text.source,
        "path": path_text(track.path),
        "bytes": track.bytes,
        "segments": track.segments,
    }


def _cost(cost: Cost) -> Plain:
    return {
        "probe_cpu_seconds": number(cost.probe_cpu_seconds),
        "analysis_cpu_seconds": number(cost.analysis_cpu_seconds),
        "ladder_cpu_seconds": number(cost.ladder_cpu_seconds),
        "encode_cpu_seconds": number(cost.encode_cpu_seconds),
        "audio_cpu_seconds": number(cost.audio_cpu_seconds),
        "pictures_cpu_seconds": number(cost.pictures_cpu_seconds),
        "package_cpu_seconds": number(cost.package_cpu_seconds),
        "score_cpu_seconds": number(cost.score_cpu_seconds),
        "wall_seconds": number(cost.wall_seconds),
        "peak_memory": cost.peak_memory or None,
    }
