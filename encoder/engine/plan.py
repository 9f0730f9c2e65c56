"""What an ingest would do, without doing it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from encoder.engine.events import Stage
from encoder.engine.pipeline import Pipeline
from encoder.engine.publish import check_destination, check_other_master
from encoder.engine.request import Request
from encoder.engine.stage import WouldRun

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
    check_destination(request.output, (request.master,))
    pipeline.only_plan = True
    states: dict[Stage, tuple[str, str]] = {}
    policy = request.policy
    master = pipeline.master(request.master)
    check_other_master(request.output, master.digest, force=request.force)
    conform = pipeline.conform(master, policy)
    states["probe"] = ("cached", "the master was just probed")
    try:
        analysis = pipeline.analysis(master, conform)
        states["analyze"] = ("cached", f"{analysis.frames} frames, {len(analysis.shots)} shots")
        ladder = pipeline.ladder(master, conform, analysis, policy, request.effort)
        states["ladder"] = ("cached", ", ".join(rung.id for rung in ladder.rungs))
        pipeline.renditions(master, conform, analysis, ladder, policy)
        states["encode"] = ("cached", f"{len(ladder.rungs)} rungs")
        states["audio"] = ("cached", f"{len(master.audio)} tracks of the master")
    except WouldRun as first:
        states[first.stage] = ("to do", first.detail)
        if first.stage == "audio":
            states["encode"] = ("cached", "every rung")
    return tuple(
        PlannedStage(stage, *_state(states, stage), _command(stage, request)) for stage in _SHOWN
    )


_SHOWN: tuple[Stage, ...] = ("probe", "analyze", "ladder", "encode", "audio", "package", "score")


def _state(states: dict[Stage, tuple[str, str]], stage: Stage) -> tuple[str, str]:
    if stage in states:
        return states[stage]
    if stage == "package":
        return "to do", "made anew whenever the package is not up to date"
    if stage == "score":
        return "to do", "measured while encoding, and confirmed of the package"
    return "to do", "what it needs depends on the stages before it"


def _command(stage: Stage, request: Request) -> str:
    master, output = _operand(request.master), _operand(request.output)
    policy = list(request.choices) or ["--policy", request.policy.name]
    argv = {
        "probe": ["probe", master],
        "analyze": ["analyze", master],
        "ladder": ["ladder", master, *policy, "--effort", request.effort],
        "encode": ["encode", master, *policy, "--effort", request.effort, "-o", "renditions"],
        "audio": ["encode", master, *policy, "--effort", request.effort, "-o", "renditions"],
        "package": ["package", "renditions", "-o", output],
        "score": ["score", master, output],
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
