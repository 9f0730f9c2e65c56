"""The main job: one master to a scored package, published as a whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from encoder import __version__
from encoder.codecs import codec_named
from encoder.encode.chunk_command import Measuring
from encoder.engine.events import Notice
from encoder.engine.pipeline import EncodedTitle, Pipeline
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
from encoder.errors import MachineError
from encoder.ladder.decide import VMAF_MODEL
from encoder.ladder.trials import require
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.scores import Scorecard
from encoder.media.shots import Analysis
from encoder.report.data import Cost, IngestResult, MadeBy, ReportData, WorstFrame
from encoder.report.document import ingest_document
from encoder.report.html import render
from encoder.report.plain import json_text
from encoder.report.sizes import frame_bytes
from encoder.report.verbs import published_package
from encoder.report.worst import worst_frames
from encoder.score.measure import Distorted

REPORT_HTML = "report.html"
# The package, its renditions and their chunks in the store, with room for what prediction misses.
_SPACE_FACTOR = 4


def ingest(pipeline: Pipeline, request: Request) -> Outcome:
    """Makes the package of a master.

    Raises:
        EncoderError: of the kind that says which stage failed; nothing is then published, and
            what the finished stages made is kept for the next run.
    """
    policy = request.policy
    check_destination(request.output, (request.master,))
    if policy.kind == "per-title" or request.score != "none":
        require(pipeline.ffmpeg, codec_named(policy.codec))
    master = pipeline.master(request.master)
    check_other_master(request.output, master.digest, force=request.force)
    wanted = fingerprint(pipeline.ffmpeg, master.digest, request)
    known = published_already(request.output, wanted)
    if known is not None:
        pipeline.emit(Notice("info", f"{request.output} is up to date: nothing was done"))
        return Outcome(known, True)
    conform = pipeline.conform(master, policy)
    for change in conform.changes:
        pipeline.emit(Notice("info", change))
    analysis = pipeline.analysis(master, conform)
    ladder = pipeline.ladder(master, conform, analysis, policy, request.effort)
    for note in ladder.notes:
        pipeline.emit(Notice("info", note))
    _check_space(pipeline, request, conform, analysis, ladder)
    measured = measuring(request.score, VMAF_MODEL)
    encoded = pipeline.encode(master, conform, analysis, ladder, policy, measured)
    renditions = encoded.renditions
    with staging(request.output) as folder:
        package = pipeline.package(renditions, folder, policy.segment_seconds)
        scorecard = _score(
            pipeline, request, master, conform, analysis, encoded, measured, package, folder
        )
        if scorecard is not None:
            for text in dominated(package, scorecard):
                pipeline.warn(text)
            package = pipeline.declare_scores(renditions, scorecard, folder, policy.segment_seconds)
        document = _report(
            pipeline,
            request,
            IngestResult(
                master=master,
                conform=conform,
                analysis=analysis,
                ladder=ladder,
                renditions=renditions,
                package=replace(package, path=request.output),
                scorecard=scorecard,
                cost=_cost(pipeline),
                made_by=_made_by(pipeline, request),
                warnings=tuple(pipeline.warnings),
            ),
            folder,
        )
        prove(folder)
        fields = {**published_package(package), "made_by": document["made_by"]}
        publish(folder, request.output, wanted, master.digest, fields)
    return Outcome(document, False)


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
    for folder, factor in ((pipeline.store.root, _SPACE_FACTOR), (parent, 1)):
        free = shutil.disk_usage(folder).free
        if free < needed * factor:
            raise MachineError(
                "There is too little room on the disk",
                where=str(folder),
                why=f"{needed * factor / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
                hint="Free some space, or point --output and ENCODER_CACHE at another disk",
            )


def _score(
    pipeline: Pipeline,
    request: Request,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    encoded: EncodedTitle,
    measured: Measuring | None,
    package: Package,
    folder: Path,
) -> Scorecard | None:
    if measured is None:
        return None
    into = folder / "scores"
    into.mkdir()
    video = encoded.renditions.video
    files = [Distorted(one.id, folder / package.track(one.id).path) for one in video]
    return pipeline.pass_scorecard(
        master,
        conform,
        analysis,
        encoded,
        files,
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
    pipeline: Pipeline, request: Request, result: IngestResult, folder: Path
) -> dict[str, Any]:
    """Writes report.json and report.html into the folder; the document is what the first has."""
    document = ingest_document(result)
    with pipeline.stage("report"):
        vmaf = {}
        if result.scorecard is not None:
            for score in result.scorecard.renditions:
                with np.load(folder / "scores" / score.frames) as values:
                    vmaf[score.rendition] = values["vmaf"]
        files = {
            one.id: folder / result.package.track(one.id).path for one in result.renditions.video
        }
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
