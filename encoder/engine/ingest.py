"""The main job: one master to a scored package, published as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from encoder import __version__
from encoder.codecs import codec_named
from encoder.encode.chunk_command import Measuring
from encoder.engine.correcting import encode_corrected
from encoder.engine.events import Notice
from encoder.engine.joined import whole_track
from encoder.engine.keys import check_keys, check_layout
from encoder.engine.pipeline import Pipeline
from encoder.engine.proof import prove
from encoder.engine.publish import (
    cannot_write,
    check_destination,
    check_other_master,
    publish,
    staging,
)
from encoder.engine.request import (
    REPORT_JSON,
    Outcome,
    Request,
    fingerprint,
    published_already,
)
from encoder.engine.scoring import measuring
from encoder.engine.texts import make_text
from encoder.engine.video import EncodedTitle, planned_starts
from encoder.errors import MachineError
from encoder.ladder.decide import VMAF_MODEL
from encoder.ladder.trials import require
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.renditions import RenditionSet
from encoder.media.scores import Scorecard
from encoder.media.shots import Analysis
from encoder.package.lead import check_lead
from encoder.package.protect import check_protection
from encoder.report.data import Cost, IngestResult, MadeBy, ReportData, WorstFrame
from encoder.report.document import ingest_document
from encoder.report.html import render
from encoder.report.plain import json_text
from encoder.report.sizes import frame_bytes
from encoder.report.verbs import published_package
from encoder.report.worst import worst_frames
from encoder.score.measure import Distorted

REPORT_HTML = "report.html"
_SCORES = "scores"
# The package, its renditions and their chunks in the store, with room for what prediction misses.
_SPACE_FACTOR = 4
# What is encrypted lies there clear as well while it is scored.
_CLEAR_FACTOR = 1


def ingest(pipeline: Pipeline, request: Request) -> Outcome:
    """Makes the package of a master.

    Raises:
        EncoderError: of the kind that says which stage failed; nothing is then published, and
            what the finished stages made is kept for the next run.
    """
    policy = request.policy
    inputs = (request.master, *(one.path for one in request.subtitles))
    check_destination(request.output, inputs)
    if request.keys is not None:
        check_protection()
        check_layout(request.keys.protection, request.layout)
    if policy.kind == "per-title" or request.score != "none":
        require(pipeline.ffmpeg, codec_named(policy.codec))
    master = pipeline.master(request.master)
    check_other_master(request.output, master.digest, force=request.force)
    check_lead(request.protection, [master.video.duration], str(request.master))
    wanted = fingerprint(pipeline.ffmpeg, master.digest, request)
    known = published_already(request.output, wanted)
    if known is not None:
        pipeline.emit(Notice("info", f"{request.output} is up to date: nothing was done"))
        return Outcome(known, True)
    if request.keys is not None:
        request.keys.check_new()
        if request.keys.warning:
            # To whom it concerns alone: the report goes with the package.
            pipeline.emit(Notice("warning", request.keys.warning))
    conform, analysis = pipeline.reference(master, policy)
    starts = planned_starts(analysis, conform, policy)
    check_lead(request.protection, starts, str(request.master))
    for change in conform.changes:
        pipeline.emit(Notice("info", change))
    ladder = pipeline.ladder(master, conform, analysis, policy, request.effort)
    for note in ladder.notes:
        pipeline.emit(Notice("info", note))
    _check_space(pipeline, request, conform, analysis, ladder)
    if request.keys is not None:
        check_keys(request.keys.protection, ladder, sound=bool(master.audio))
    measured = measuring(request.score, VMAF_MODEL)
    # Before the long work: a file of subtitles may be malformed.
    duration = frame_time(analysis.frames, conform.frame_rate)
    text = make_text(pipeline, master, conform, duration, request.subtitles)
    corrected = encode_corrected(
        pipeline, master, conform, analysis, ladder, policy, measured, again=request.correct
    )
    ladder, encoded = corrected.ladder, corrected.encoded
    renditions = replace(encoded.renditions, text=text)
    with staging(request.output) as folder, pipeline.store.work() as scratch:
        making = _Making(pipeline, request, renditions, folder)
        files = making.make(scratch)
        scorecard = _score(
            pipeline, request, master, conform, analysis, encoded, measured, files, scratch
        )
        package = making.finish(scorecard, scratch)
        if scorecard is not None:
            for said in dominated(package, scorecard):
                pipeline.warn(said)
        document = _report(
            pipeline,
            request,
            IngestResult(
                master=master,
                conform=conform,
                analysis=analysis,
                ladder=ladder,
                first_ladder=corrected.promised,
                renditions=renditions,
                package=replace(package, path=request.output),
                scorecard=scorecard,
                cost=_cost(pipeline),
                made_by=_made_by(pipeline, request),
                warnings=tuple(pipeline.warnings),
            ),
            files,
            folder,
        )
        prove(folder, request.protection)
        fields = {**published_package(package), "made_by": document["made_by"]}
        with request.keys.kept() if request.keys else nullcontext():
            publish(folder, request.output, wanted, master.digest, fields)
    if request.keys and request.keys.beside:
        kept = f"the keys are in {request.keys.beside}: nothing plays without"
        pipeline.emit(Notice("info", kept))
    return Outcome(document, False)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes the package of a title, in two steps around its scores."""

    pipeline: Pipeline
    request: Request
    renditions: RenditionSet
    folder: Path

    def make(self, scratch: Path) -> dict[str, Path]:
        """Writes the package; a file of each rung, by its id, that can be decoded: the published
        one, or the twin in ``scratch`` of what is encrypted, which cannot be looked at."""
        if self.request.protection is None:
            package = self.pipeline.package(self.renditions, self.folder, self.request.packaging)
            return _files(package, self.folder, scratch)
        twins = scratch / "clear"
        twins.mkdir()
        self.pipeline.package_tracks(self.renditions, self.folder, self.request.packaging, twins)
        return {one.id: twins / f"{one.id}.mp4" for one in self.renditions.video}

    def finish(self, scores: Scorecard | None, scratch: Path) -> Package:
        """What is published, its manifests with the scores."""
        package = self.pipeline.package_manifests(
            self.renditions, self.folder, self.request.packaging, scores
        )
        if scores is not None:
            shutil.copytree(scratch / _SCORES, self.folder / _SCORES)
        return package


def _check_space(
    pipeline: Pipeline, request: Request, conform: Conform, analysis: Analysis, ladder: Ladder
) -> None:
    """Fails before the long work rather than after it.

    Raises:
        MachineError: when a disk has no room for what is expected.
    """
    seconds = frame_time(analysis.frames, conform.frame_rate)
    rates = sum(
        r.expected.average_bitrate if r.expected else r.target_bitrate or 0 for r in ladder.rungs
    )
    needed = round(rates * seconds / 8)
    parent = request.output.absolute().parent
    while not parent.exists():
        parent = parent.parent
    stored = _SPACE_FACTOR + (_CLEAR_FACTOR if request.keys else 0)
    for folder, factor in ((pipeline.store.root, stored), (parent, 1)):
        free = shutil.disk_usage(folder).free
        if free < needed * factor:
            raise MachineError(
                "There is too little room on the disk",
                where=str(folder),
                why=f"{needed * factor / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
                hint="Free some space, or point --output and ENCODER_CACHE at another disk",
            )


def _files(package: Package, folder: Path, scratch: Path) -> dict[str, Path]:
    """A file of every video rendition of the package, as it was packaged."""
    return {
        one.id: whole_track(folder / one.path, scratch)
        for one in package.tracks
        if one.kind == "video"
    }


def _score(
    pipeline: Pipeline,
    request: Request,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    encoded: EncodedTitle,
    measured: Measuring | None,
    files: Mapping[str, Path],
    scratch: Path,
) -> Scorecard | None:
    if measured is None:
        return None
    into = scratch / _SCORES
    into.mkdir()
    distorted = [Distorted(one.id, files[one.id]) for one in encoded.renditions.video]
    return pipeline.pass_scorecard(
        master,
        conform,
        analysis,
        encoded,
        distorted,
        into,
        measured,
        every_frame=request.score == "full",
    )


def dominated(package: Package, card: Scorecard) -> list[str]:
    """Sentences about rungs that turned out to cost as much as another and to look no better."""
    found = []
    measured = [
        (one.rendition, package.track(one.rendition).average_bitrate, one.metric("vmaf").title.mean)
        for one in card.renditions
    ]
    for name, rate, vmaf in measured:
        for other, other_rate, other_vmaf in measured:
            if name != other and rate >= other_rate and vmaf <= other_vmaf:
                found.append(
                    f"{name} costs {rate} bit/s and reaches VMAF {vmaf:.1f}, no better than "
                    f"{other} with {other_rate} bit/s and VMAF {other_vmaf:.1f}: --effort thorough "
                    "predicts them better"
                )
                break
    return found


def _report(
    pipeline: Pipeline,
    request: Request,
    result: IngestResult,
    files: Mapping[str, Path],
    folder: Path,
) -> dict[str, Any]:
    """Writes report.json and report.html into the folder; the document is what the first has."""
    document = ingest_document(result)
    with pipeline.stage("report"):
        vmaf = {}
        if result.scorecard is not None:
            for score in result.scorecard.renditions:
                with np.load(folder / _SCORES / score.frames) as values:
                    vmaf[score.rendition] = values["vmaf"]
        worst: tuple[WorstFrame, ...] = ()
        if result.scorecard is not None:
            with pipeline.store.work() as scratch:
                worst = worst_frames(
                    pipeline.ffmpeg,
                    result.master,
                    result.conform,
                    files,
                    result.scorecard,
                    vmaf,
                    folder=scratch,
                    shots=result.analysis.shots,
                    reference_at=pipeline.reference_at(
                        result.master, result.conform, result.analysis, scratch
                    ),
                )
        page = render(
            ReportData(
                result=result,
                vmaf=vmaf,
                frame_bytes={name: frame_bytes(path) for name, path in files.items()},
                worst=worst,
            )
        )
        try:
            (folder / REPORT_JSON).write_text(json_text(document), encoding="utf-8")
            (folder / REPORT_HTML).write_text(page, encoding="utf-8")
        except OSError as error:
            raise cannot_write(request.output, error) from error
    return document


def _cost(pipeline: Pipeline) -> Cost:
    cpu = pipeline.meter.cpu
    return Cost(
        probe_cpu_seconds=cpu.get("probe", 0.0),
        analysis_cpu_seconds=cpu.get("analyze", 0.0),
        ladder_cpu_seconds=cpu.get("ladder", 0.0),
        encode_cpu_seconds=cpu.get("encode", 0.0),
        audio_cpu_seconds=cpu.get("audio", 0.0),
        pictures_cpu_seconds=cpu.get("pictures", 0.0),
        package_cpu_seconds=cpu.get("package", 0.0),
        score_cpu_seconds=cpu.get("score", 0.0),
        wall_seconds=pipeline.meter.wall_seconds,
        peak_memory=pipeline.meter.memory.bytes,
    )


def _made_by(pipeline: Pipeline, request: Request) -> MadeBy:
    return MadeBy(
        version=__version__,
        ffmpeg=pipeline.ffmpeg.version,
        command=request.command,
        libraries=(("av", version("av")), ("numpy", version("numpy"))),
    )
