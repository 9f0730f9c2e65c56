"""What an ingest would do, without doing it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from encoder.engine.correcting import encode_corrected
from encoder.engine.events import Stage
from encoder.engine.keys import check_layout
from encoder.engine.pipeline import Pipeline
from encoder.engine.publish import check_destination, check_other_master
from encoder.engine.request import Request
from encoder.engine.scoring import measuring
from encoder.engine.stage import WouldRun
from encoder.engine.texts import make_text
from encoder.engine.video import planned_starts
from encoder.ladder.decide import VMAF_MODEL
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.master import Master
from encoder.media.package import BYTE_RANGES
from encoder.media.shots import Analysis
from encoder.package.lead import check_lead
from encoder.package.protect import check_protection
from encoder.report.text import some

SCHEMA = "encoder.plan/1"


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage of the plan.

    ``state`` is ``cached`` or ``to do``; ``why`` says what that rests on, ``command`` does this
    stage alone, quoted for a shell.
    """

    stage: Stage
    state: str
    why: str
    command: str


def plan_document(stages: Sequence[PlannedStage]) -> dict[str, Any]:
    """The plan as one JSON object."""
    return {"schema": SCHEMA, "stages": [asdict(one) for one in stages]}


def plan(pipeline: Pipeline, request: Request) -> tuple[PlannedStage, ...]:
    """The stages of an ingest, and which of them are in the store already.

    Only the probe is run, which writes nothing but the store.

    Raises:
        EncoderError: as the ingest would before its first long step.
    """
    inputs = (request.master, *(one.path for one in request.subtitles))
    check_destination(request.output, inputs)
    if request.keys is not None:
        check_protection()
        check_layout(request.keys.protection, request.layout)
    pipeline.only_plan = True
    states: dict[Stage, tuple[str, str]] = {}
    policy = request.policy
    master = pipeline.master(request.master)
    check_other_master(request.output, master.digest, force=request.force)
    check_lead(request.protection, [master.video.duration], str(request.master))
    states["probe"] = ("cached", "the master was just probed")
    try:
        conform, analysis = pipeline.reference(master, policy)
        starts = planned_starts(analysis, conform, policy)
        check_lead(request.protection, starts, str(request.master))
        states["analyze"] = (
            "cached",
            f"{some(analysis.frames, 'frame')}, {some(len(analysis.shots), 'shot')}",
        )
        states["text"] = _text(pipeline, master, conform, analysis, request)
        ladder = pipeline.ladder(master, conform, analysis, policy, request.effort)
        states["ladder"] = ("cached", ", ".join(rung.id for rung in ladder.rungs))
        measured = measuring(request.score, VMAF_MODEL)
        corrected = encode_corrected(
            pipeline, master, conform, analysis, ladder, policy, measured, again=request.correct
        )
        states["encode"] = ("cached", some(len(corrected.ladder.rungs), "rung"))
        states["audio"] = ("cached", f"{some(len(master.audio), 'track')} of the master")
        states["pictures"] = ("cached", "thumbnails and poster")
    except WouldRun as first:
        states[first.stage] = ("to do", first.detail)
        if first.stage in ("audio", "pictures"):
            states["encode"] = ("cached", "every rung")
        if first.stage == "pictures":
            states["audio"] = ("cached", f"{some(len(master.audio), 'track')} of the master")
    return tuple(
        PlannedStage(stage, *_state(states, stage), _command(stage, request)) for stage in _SHOWN
    )


_SHOWN: tuple[Stage, ...] = (
    *("probe", "analyze", "ladder", "encode"),
    *("audio", "text", "pictures", "package", "score"),
)


def _state(states: dict[Stage, tuple[str, str]], stage: Stage) -> tuple[str, str]:
    if stage in states:
        return states[stage]
    if stage == "package":
        return "to do", "made anew whenever the package is not up to date"
    if stage == "score":
        return "to do", "measured while encoding, and confirmed of the package"
    return "to do", "what it needs depends on the stages before it"


def _text(
    pipeline: Pipeline, master: Master, conform: Conform, analysis: Analysis, request: Request
) -> tuple[str, str]:
    try:
        duration = frame_time(analysis.frames, conform.frame_rate)
        found = make_text(pipeline, master, conform, duration, request.subtitles)
    except WouldRun:
        streams, files = len(master.text), len(request.subtitles)
        return "to do", f"{some(streams, 'stream')} of the master, {some(files, 'file')}"
    return "cached", ", ".join(one.id for one in found) or "there are no subtitles"


def _subtitles(request: Request) -> list[str]:
    return [
        part
        for one in request.subtitles
        for part in ("--subtitles", ":".join((one.language, *one.traits)), _operand(one.path))
    ]


def _layout(request: Request) -> list[str]:
    chosen = {"--segments": request.layout.segments, "--names": request.layout.names}
    usual = {"--segments": BYTE_RANGES.segments, "--names": BYTE_RANGES.names}
    return [part for name, one in chosen.items() if one != usual[name] for part in (name, one)]


def _protect(request: Request) -> list[str]:
    given = {"--protect": request.protect, "--clear-lead": request.clear_lead}
    return [part for name, one in given.items() if one for part in (name, _operand(Path(one)))]


def _command(stage: Stage, request: Request) -> str:
    master, output = _operand(request.master), _operand(request.output)
    policy = list(request.choices) or ["--policy", request.policy.name]
    argv = {
        "probe": ["probe", master],
        "analyze": ["analyze", master],
        "ladder": ["ladder", master, *policy, "--effort", request.effort],
        "encode": ["encode", master, *policy, "--effort", request.effort, "-o", "renditions"],
        "audio": ["encode", master, *policy, "--effort", request.effort, "-o", "renditions"],
        "pictures": ["encode", master, *policy, "--effort", request.effort, "-o", "renditions"],
        "text": ["encode", master, *policy, *_subtitles(request), "-o", "renditions"],
        "package": ["package", "renditions", *_layout(request), *_protect(request), "-o", output],
        # What is encrypted cannot be scored.
        "score": ["score", master, "renditions" if request.keys else output],
    }[stage]
    return " ".join(_quoted(one) for one in ("encoder", *argv))


def _operand(path: Path) -> str:
    """A path that is not taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _quoted(argument: str) -> str:
    """One argument for bash and zsh, in printable characters whatever is in it."""
    if argument.isprintable():
        return shlex.quote(argument)
    plain = "".join(f"\\{c}" if c in "\\'" else c for c in argument)
    written = "".join(
        c if c.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(c)) for c in plain
    )
    return f"$'{written}'"
