"""Runs, baselines and gates as files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.engine.publish import cannot_write
from encoder.errors import MeasureError, UsageError
from encoder.ladder.strict_yaml import Mapped, Source, choice, compose, items, number, text, whole
from encoder.media.regression import Gate, RungMeasure, RunMeasure
from encoder.media.serial import from_plain
from encoder.report.plain import json_text
from encoder.report.regression import BASELINE_SCHEMA, baseline_document
from encoder.score.gates import METRICS, POOLINGS

REPORT = "report.json"
_INGEST = "encoder.ingest/"
_POOLED = ("mean", "harmonic_mean", "p1", "p5", "min")
_SCORED = ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim")


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, and the package that it was measured of; None: only a file tells of it."""

    measure: RunMeasure
    package: Path | None


def measures(runs: Sequence[Run]) -> tuple[RunMeasure, ...]:
    """What was measured alone."""
    return tuple(run.measure for run in runs)


def read_runs(path: Path) -> tuple[Run, ...]:
    """The runs of a package, a report.json, a folder of packages, or a baseline file.

    Raises:
        MeasureError: when it is none of these, a report has no scores, or two are of one clip.
    """
    runs = _found(path)
    names = [run.measure.clip for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MeasureError(
            "There are two runs of one clip",
            where=f"{path}: {', '.join(twice)}",
            why="runs are told apart by the names of their masters",
            hint="Give each clip a name of its own, or compare the packages one by one",
        )
    return runs


def _found(path: Path) -> tuple[Run, ...]:
    try:
        several = path.is_dir() and not (path / REPORT).is_file()
        found = sorted(path.glob(f"*/{REPORT}")) if several else []
    except OSError as error:
        raise _unreadable(path, error) from error
    if several:
        if not found:
            raise MeasureError(
                "There is nothing to compare",
                where=str(path),
                why=f"neither it nor a folder in it has a {REPORT}",
                hint="Give a package that encoder made, a folder of packages, or a baseline file",
            )
        return tuple(Run(_read_report(one), one.parent) for one in found)
    file = path / REPORT if path.is_dir() else path
    data = read_json(file)
    if data.get("schema") == BASELINE_SCHEMA:
        try:
            return tuple(Run(_sound(from_plain(one, RunMeasure)), None) for one in data["clips"])
        except (ValueError, KeyError, TypeError) as error:
            raise MeasureError(
                "The baseline cannot be read",
                where=str(file),
                why=str(error),
                hint="Make it again with `encoder baseline save`",
            ) from error
    return (Run(_read_report(file), file.parent),)


def _sound(run: RunMeasure) -> RunMeasure:
    _finite(run.encode_seconds)
    for rung in run.rungs:
        shots = (v for values in rung.shots.values() for v in values if v is not None)
        pools = (v for values in rung.scores.values() for v in values.values())
        for value in (*rung.rates.values(), *pools, *shots):
            _finite(value)
    return run


def _unreadable(path: Path, error: Exception) -> MeasureError:
    return MeasureError(
        "A run cannot be read",
        where=str(path),
        why=(error.strerror if isinstance(error, OSError) else None) or str(error),
        hint="Give a package, its report.json or a baseline",
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file.

    Raises:
        MeasureError: when there is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(data, dict):
        raise _unreadable(path, ValueError("it is no JSON object"))
    return data


def _no_number(name: str) -> float:
    # A comparison with NaN is never true: no gate would fail for it.
    raise ValueError(f"it has {name} where a number should be")


def _read_report(path: Path) -> RunMeasure:
    data = read_json(path)
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
    except ValueError as error:
        raise _unreadable(path, error) from error


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
                {name: _finite(one[name]) for name in ("average_bitrate", "peak_bitrate", "bytes")},
                {name: {p: round(_finite(scores[name][p]), 4) for p in _POOLED} for name in known},
                _shots(path.parent, scores["per_frame"], known),
            )
        )
    return RunMeasure(
        Path(str(data["master"]["path"])).name,
        str(made["master_digest"]),
        conditions,
        tuple(int(shot["start"]) for shot in data["shots"]),
        _finite(data["cost"]["encode_cpu_seconds"]),
        tuple(rungs),
    )


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"it has {found} where a number should be")
    return found


def inside(package: Path, name: str) -> Path | None:
    """A file that a package's report names; None when it is not there, or not in the package."""
    path = package / name
    try:
        within = path.resolve().is_relative_to(package.resolve())
        return path if within and path.is_file() else None
    except OSError:
        return None


def _shots(
    folder: Path, name: str | None, metrics: Sequence[str]
) -> dict[str, tuple[float | None, ...]]:
    path = None if name is None else inside(folder, name)
    if path is None:
        return {}
    found = read_arrays(path, [f"{metric}_shots" for metric in metrics], dimensions=2)
    return {
        metric: tuple(
            None if not np.isfinite(mean) else round(float(mean), 4)
            for mean in found[f"{metric}_shots"][:, 0].tolist()
        )
        for metric in metrics
        if f"{metric}_shots" in found and found[f"{metric}_shots"].shape[1]
    }


def read_arrays(
    path: Path, names: Sequence[str], dimensions: int = 1
) -> dict[str, NDArray[np.float64]]:
    """Those arrays of numbers that a file of values has, by name; what else it has is not read.

    Raises:
        MeasureError: when it is damaged, or one is no array of numbers of so many dimensions.
    """
    try:
        with path.open("rb") as file, np.load(file) as archive:
            found = {
                name: archive[name].astype(np.float64) for name in names if name in archive.files
            }
        if any(one.ndim != dimensions for one in found.values()):
            raise ValueError("an array has another shape than it should have")
    # What NumPy, its parser of headers, zipfile and zlib raise of a damaged file has no name in
    # common.
    except Exception as error:
        raise _unreadable(path, error) from error
    return found


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
        fields.take("shot", whole(0, 1_000_000)),
    )
    fields.done()
    if (gate.worse, gate.worse_percent, gate.least, gate.most) == (None,) * 4:
        raise source.wrong(
            node, "a gate that allows everything", "Give worse, worse_percent, least or most"
        )
    if gate.shot is not None and gate.pooling != "shot":
        raise source.wrong(node, "a gate with a shot but of another pooling", "Give pooling: shot")
    return gate
