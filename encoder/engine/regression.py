"""Runs, baselines and gates as files, and a comparison's evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.engine.pipeline import Pipeline
from encoder.engine.publish import cannot_write
from encoder.errors import MeasureError, UsageError
from encoder.ladder.strict_yaml import Mapped, Source, choice, compose, items, number, text
from encoder.media.regression import Gate, RegressionReport, RungMeasure, RunMeasure
from encoder.media.serial import from_plain
from encoder.report.plain import json_text
from encoder.report.regression import BASELINE_SCHEMA, baseline_document
from encoder.score.alignment import Fit
from encoder.score.evidence import draw
from encoder.score.gates import METRICS, POOLINGS, WorstFrame
from encoder.score.onepass import Pair
from encoder.score.sides import file_side

REPORT = "report.json"
_INGEST = "encoder.ingest/"
_POOLED = ("mean", "harmonic_mean", "p1", "p5", "min")
_SCORED = ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim")


def read_runs(path: Path) -> tuple[RunMeasure, ...]:
    """The runs of a package, a report.json, a folder of packages, or a baseline file.

    Raises:
        MeasureError: when it is none of these, or a report has no scores.
    """
    if path.is_dir() and not (path / REPORT).is_file():
        found = sorted(path.glob(f"*/{REPORT}"))
        if not found:
            raise MeasureError(
                "There is nothing to compare",
                where=str(path),
                why=f"neither it nor a folder in it has a {REPORT}",
                hint="Give a package that encoder made, a folder of packages, or a baseline file",
            )
        return tuple(_read_report(one) for one in found)
    file = path / REPORT if path.is_dir() else path
    data = _read_json(file)
    if data.get("schema") == BASELINE_SCHEMA:
        try:
            return tuple(from_plain(one, RunMeasure) for one in data["clips"])
        except (ValueError, KeyError, TypeError) as error:
            raise MeasureError(
                "The baseline cannot be read",
                where=str(file),
                why=str(error),
                hint="Make it again with `encoder baseline save`",
            ) from error
    return (_read_report(file),)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeasureError("A run cannot be read", where=str(path), why=str(error)) from error
    if not isinstance(data, dict):
        raise MeasureError("A run cannot be read", where=str(path), why="it is no JSON object")
    return data


def _read_report(path: Path) -> RunMeasure:
    data = _read_json(path)
    if not str(data.get("schema", "")).startswith(_INGEST):
        raise MeasureError(
            "Neither a report nor a baseline",
            where=str(path),
            why=f"its schema is {data.get('schema')!r}",
            hint="Give a package, its report.json, or a file of `encoder baseline save`",
        )
    try:
        return _run(data, path)
    except (KeyError, TypeError, AttributeError) as error:
        raise MeasureError(
            "The report lacks what is compared",
            where=str(path),
            why=f"{error} is not there",
            hint="Ingest again with --score full",
        ) from error


def _run(data: dict[str, Any], path: Path) -> RunMeasure:
    made = data["made_by"]
    conditions = {
        "encoder": str(made["version"]),
        "ffmpeg": str(made["ffmpeg"]),
        "policy": str(made["policy_digest"])[:16],
        **{f"lib {one['name']}": str(one["version"]) for one in made["libraries"]},
    }
    rungs = []
    for one in data["renditions"]:
        scores = one["scores"]
        if scores is None:
            raise KeyError(f"the scores of {one['id']}")
        known = [name for name in _SCORED if scores.get(name)]
        conditions["vmaf model"] = str(scores["vmaf"]["model"]) if "vmaf" in known else "-"
        conditions["scored"] = f"every {scores['every']}, at {scores['resolution']}"
        rungs.append(
            RungMeasure(
                str(one["id"]),
                {name: float(one[name]) for name in ("average_bitrate", "peak_bitrate", "bytes")},
                {name: {p: round(float(scores[name][p]), 4) for p in _POOLED} for name in known},
                _shots(path.parent, scores["per_frame"], known),
            )
        )
    return RunMeasure(
        Path(str(data["master"]["path"])).name,
        str(made["master_digest"]),
        conditions,
        tuple(int(shot["start"]) for shot in data["shots"]),
        float(data["cost"]["encode_cpu_seconds"]),
        tuple(rungs),
    )


def _shots(
    folder: Path, name: str | None, metrics: Sequence[str]
) -> dict[str, tuple[float | None, ...]]:
    if name is None or not (folder / name).is_file():
        return {}
    with np.load(folder / name) as archive:
        return {
            metric: tuple(
                None if not np.isfinite(row[0]) else round(float(row[0]), 4)
                for row in archive[f"{metric}_shots"]
            )
            for metric in metrics
            if f"{metric}_shots" in archive.files
        }


def frame_finder(baseline: Path, candidate: Path) -> WorstFrame:
    """Finds the frame that lost most, where both sides are packages with values of every frame."""

    def find(metric: str, rung: str, shot: int | None) -> int | None:
        ours, theirs = (_values(one, rung, metric) for one in (baseline, candidate))
        if ours is None or theirs is None or ours[0].tolist() != theirs[0].tolist():
            return None
        frames, loss = ours[0], ours[1] - theirs[1]
        if shot is not None:
            edges = [*_read_report(candidate / REPORT).shots, int(frames[-1]) + 1]
            inside = (frames >= edges[shot]) & (frames < edges[shot + 1])
            if not inside.any():
                return None
            frames, loss = frames[inside], loss[inside]
        return int(frames[int(loss.argmax())])

    return find


def _values(
    folder: Path, rung: str, metric: str
) -> tuple[NDArray[np.int32], NDArray[np.float32]] | None:
    path = folder / "scores" / f"{rung}.npz"
    if not path.is_file():
        return None
    with np.load(path) as archive:
        if metric not in archive.files:
            return None
        return archive["frame"], archive[metric]


def draw_evidence(
    pipeline: Pipeline, baseline: Path, candidate: Path, report: RegressionReport, into: Path
) -> list[tuple[str, int, Path]]:
    """Pictures of the frames that failing checks name: baseline, candidate, difference.

    Returns:
        The rung, the frame and the picture of each.

    Raises:
        MeasureError: when a rendition cannot be decoded.
        MachineError: when the folder cannot be written.
    """
    wanted = sorted(
        {(c.rung, c.frame) for c in report.checks if not c.passed and c.frame is not None}
    )
    made = []
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(into, error) from error
    for rung, frame in wanted:
        files = [_rendition(one, rung) for one in (baseline, candidate)]
        sides = [file_side(rung, path, pipeline.master(path).video) for path in files]
        draw(pipeline.ffmpeg, sides[0], Pair(sides[1], Fit(), ()), [frame], into)
        made.append((rung, frame, into / f"{rung}-{frame:06d}.png"))
    return made


def _rendition(package: Path, rung: str) -> Path:
    for one in _read_json(package / REPORT)["renditions"]:
        if one["id"] == rung:
            return package / str(one["path"])
    raise MeasureError("There is no such rung", where=f"{package}: {rung}")


def save_baseline(runs: Sequence[RunMeasure], path: Path) -> None:
    """Writes a baseline file, beside its place first.

    Raises:
        MachineError: when it cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(json_text(baseline_document(runs)), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def read_gates(path: Path) -> tuple[Gate, ...]:
    """Gates of a YAML file: ``gates:``, a list of mappings with the fields of :class:`Gate`.

    Raises:
        UsageError: when it cannot be read, with the place of the mistake.
    """
    try:
        source = Source(str(path), path.read_text(encoding="utf-8"), "file of gates")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The gates cannot be read", where=str(path), why=str(error)) from error
    top = Mapped(source, compose(source), "the file of gates")
    gates: tuple[Gate, ...] = top.take("gates", items(_gate), required=True)
    top.done()
    return gates


def _gate(source: Source, node: Any, name: str) -> Gate:
    fields = Mapped(source, node, "a gate")
    bound = number(-1e12, 1e12)
    amount = number(0, 1e12)
    gate = Gate(
        fields.take("metric", choice(METRICS), required=True),
        fields.take("pooling", choice(POOLINGS), "mean"),
        fields.take("rung", text, "all"),
        fields.take("worse", amount),
        fields.take("worse_percent", amount),
        fields.take("least", bound),
        fields.take("most", bound),
        fields.take("noise", amount, 0.0),
        fields.take("noise_percent", amount, 0.0),
    )
    fields.done()
    if (gate.worse, gate.worse_percent, gate.least, gate.most) == (None,) * 4:
        raise source.wrong(
            node, "a gate that allows everything", "Give worse, worse_percent, least or most"
        )
    return gate
