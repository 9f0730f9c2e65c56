"""Runs, baselines and gates as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.engine.publish import cannot_write
from encoder.engine.recorded import Recorded, cannot_read, read_recorded
from encoder.errors import MeasureError, RecordError, UsageError, unreadable
from encoder.ladder.strict_yaml import Mapped, Source, choice, compose, items, number, text, whole
from encoder.media.regression import RATES, Gate, RungMeasure, RunMeasure
from encoder.report.document import SCHEMA
from encoder.report.plain import json_text
from encoder.report.regression import BASELINE_SCHEMA, baseline_document
from encoder.score.gates import METRICS, POOLINGS, is_of_run, is_score

REPORT = "report.json"
_INGEST, _BASELINE = "encoder.ingest/", "encoder.baseline/"
_POOLED = ("mean", "harmonic_mean", "p1", "p5", "min")
_SCORED = ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim")
_HINTS = {
    _BASELINE: "Make the baseline again with `encoder baseline save`, or mend that field",
    _INGEST: "Ingest again with --score full",
}
_OTHERWISE = "Give a package, its report.json, or a file of `encoder baseline save`"


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
        RecordError: when it is none of these, or lacks something that is compared.
        MeasureError: when two are of one clip.
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
        raise cannot_read(path, error) from error
    if several:
        if not found:
            raise RecordError(
                "There is nothing to compare",
                where=str(path),
                why=f"neither it nor a folder in it has a {REPORT}",
                hint="Give a package that encoder made, a folder of packages, or a baseline file",
            )
        return tuple(Run(_run(read_report(one)), one.parent) for one in found)
    file = path / REPORT if path.is_dir() else path
    data = read_report(file)
    if data.value.get("schema") == BASELINE_SCHEMA:
        data.only("schema", "clips")
        return tuple(Run(_kept(clip), None) for clip in data.at("clips").items())
    return (Run(_run(data), file.parent),)


def read_report(path: Path) -> Recorded:
    """A package's report or a baseline as its values, of which none was looked at yet.

    Raises:
        RecordError: when it cannot be read.
    """
    return read_recorded(path, _HINTS, _OTHERWISE)


def _kept(clip: Recorded) -> RunMeasure:
    """A clip of a baseline. Nothing is made up for what it lacks: a gate would pass for it."""
    clip.only("clip", "digest", "conditions", "shots", "encode_seconds", "rungs")
    starts = tuple(one.whole() for one in clip.at("shots").items())
    conditions = {name: one.text() for name, one in clip.at("conditions").entries().items()}
    rungs = tuple(_kept_rung(one, len(starts)) for one in clip.at("rungs").items())
    _distinct(clip.at("rungs"), rungs)
    return RunMeasure(
        clip.at("clip").text(),
        clip.at("digest").text(),
        conditions,
        starts,
        clip.at("encode_seconds").number(),
        rungs,
    )


def _kept_rung(rung: Recorded, count: int) -> RungMeasure:
    rung.only("id", "rates", "scores", "shots")
    rung.at("rates").only(*RATES)
    shots = {}
    for metric, values in rung.at("shots").entries().items():
        means = tuple(None if one.value is None else one.number() for one in values.items())
        if len(means) != count:
            raise values.wrong(f"it has {len(means)} values, and the clip {count} shots")
        shots[metric] = means
    return RungMeasure(
        rung.at("id").text(),
        _rates(rung.at("rates")),
        {
            metric: {name: one.number() for name, one in _pooled(values).items()}
            for metric, values in rung.at("scores").entries().items()
        },
        shots,
    )


def _pooled(values: Recorded) -> dict[str, Recorded]:
    """The poolings of a metric, all of them and no others."""
    values.only(*_POOLED)
    return {name: values.at(name) for name in _POOLED}


def _rates(fields: Recorded) -> dict[str, float]:
    return {name: fields.at(name).number(positive=True) for name in RATES}


def _distinct(field: Recorded, rungs: Sequence[RungMeasure]) -> None:
    names = [rung.id for rung in rungs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise field.wrong(f"two are called {', '.join(twice)}")


def _run(data: Recorded) -> RunMeasure:
    """The run that a package's report tells of."""
    if data.value.get("schema") != SCHEMA:
        raise RecordError(
            "Neither a report nor a baseline",
            where=str(data.file),
            why=f"its schema is {data.value.get('schema')!r}; this version reads {SCHEMA} and "
            f"{BASELINE_SCHEMA}",
            hint=data.hint,
        )
    made, chain = data.at("made_by"), data.at("conform")
    conditions = {
        "encoder": made.at("version").text(),
        "ffmpeg": made.at("ffmpeg").text(),
        "policy": made.at("policy_digest").text()[:16],
        # Of one master too: a policy or another version may leave out every second picture.
        "frame rate": str(chain.at("frame_rate").ratio()),
        "frames": str(chain.at("frames").whole()),
        **{
            f"lib {one.at('name').text()}": one.at("version").text()
            for one in made.at("libraries").items()
        },
    }
    starts = tuple(shot.at("start").whole() for shot in data.at("shots").items())
    rungs = []
    for one in data.at("renditions").items():
        scores = one.at("scores")
        if scores.value is None:
            raise scores.wrong("nothing was scored")
        found = scores.entries()
        known = [name for name in _SCORED if name in found and found[name].value is not None]
        conditions["vmaf model"] = scores.at("vmaf").at("model").text() if "vmaf" in known else "-"
        every, size = scores.at("every").whole(), scores.at("resolution").text()
        conditions["scored"] = f"every {every}, at {size}"
        rungs.append(
            RungMeasure(
                one.at("id").text(),
                _rates(one),
                {
                    name: {p: round(scores.at(name).at(p).number(), 4) for p in _POOLED}
                    for name in known
                },
                _shots(scores.at("per_frame"), known, len(starts)),
            )
        )
    _distinct(data.at("renditions"), rungs)
    return RunMeasure(
        Path(data.at("master").at("path").text()).name,
        made.at("master_digest").text(),
        conditions,
        starts,
        data.at("cost").at("encode_cpu_seconds").number(),
        tuple(rungs),
    )


def inside(package: Path, name: str) -> Path | None:
    """A file that a package's report names; None when it is not there, or not in the package."""
    path = package / name
    try:
        within = path.resolve().is_relative_to(package.resolve())
        return path if within and path.is_file() else None
    except (OSError, ValueError):  # no name at all, with a NUL in it
        return None


def _shots(
    name: Recorded, metrics: Sequence[str], count: int
) -> dict[str, tuple[float | None, ...]]:
    path = None if name.value is None else inside(name.file.parent, name.text())
    if path is None:
        return {}
    found = read_arrays(path, [f"{metric}_shots" for metric in metrics], dimensions=2)
    shots = {}
    for metric in metrics:
        values = found.get(f"{metric}_shots")
        if values is None or not values.shape[1]:
            continue
        if len(values) != count:
            why = f"it has {metric} of {len(values)} shots, and the report {count} shots"
            raise cannot_read(path, ValueError(why))
        shots[metric] = tuple(
            None if not np.isfinite(mean) else round(float(mean), 4)
            for mean in values[:, 0].tolist()
        )
    return shots


def read_arrays(
    path: Path, names: Sequence[str], dimensions: int = 1
) -> dict[str, NDArray[np.float64]]:
    """Those arrays of numbers that a file of values has, by name; what else it has is not read.

    Raises:
        RecordError: when it is damaged, or one is no array of numbers of so many dimensions.
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
        raise cannot_read(path, error) from error
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
        why = unreadable(error)
        raise UsageError("The gates cannot be read", where=str(path), why=why) from error
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
    if gate.metric.startswith("bd_rate_") and (gate.worse, gate.worse_percent) != (None, None):
        raise source.wrong(
            node,
            "a BD-rate that is to be worse than the baseline's, of which it is the change already",
            "Give most",
        )
    if gate.shot is not None and gate.pooling != "shot":
        raise source.wrong(node, "a gate with a shot but of another pooling", "Give pooling: shot")
    # What would not be heeded is not what was meant.
    if gate.pooling != "mean" and not is_score(gate.metric):
        raise source.wrong(node, f"`{gate.metric}` has no pooling: only scores do", "Leave it out")
    if gate.rung != "all" and is_of_run(gate.metric):
        raise source.wrong(node, f"`{gate.metric}` is of all rungs together", "Leave `rung` out")
    return gate
