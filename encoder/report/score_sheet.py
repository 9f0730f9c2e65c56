"""What ``encoder score`` found: as JSON, as tables of every frame, and as a plot."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoder.errors import MachineError
from encoder.media.frames import frame_time
from encoder.media.pairs import MetricResult, Pools, ScoreSheet
from encoder.media.serial import fraction_text
from encoder.report.fields import path_text
from encoder.report.plain import Plain, number, seconds

SCORES_SCHEMA = "encoder.scores/2"
_PRECISE = 6


def sheet_document(
    sheet: ScoreSheet,
    folder: Path | None = None,
    *,
    per_frame: bool = False,
    pictures: Sequence[tuple[str, int, str, float, str]] = (),
) -> Plain:
    """The ``encoder.scores/2`` document.

    Args:
        sheet: the scores.
        folder: where the values of every frame were kept, if they were.
        per_frame: whether the values of every frame are in it.
        pictures: of the worst frames: file, frame, metric, value and path.
    """
    return {
        "schema": SCORES_SCHEMA,
        "path": None if folder is None else path_text(folder),
        "reference": sheet.reference,
        "frame_rate": fraction_text(sheet.frame_rate),
        "frames": sheet.frames,
        "conformed": sheet.conformed,
        "shots": [{"start": one.start, "end": one.end} for one in sheet.shots],
        "files": [
            {
                "id": pair.id,
                "path": pair.path,
                "width": pair.width,
                "height": pair.height,
                "pixel_format": pair.pixel_format,
                "reference_start": pair.reference_start,
                "distorted_start": pair.distorted_start,
                "frames": pair.frames,
                "every": pair.every,
                "notes": list(pair.notes),
                "alignment": "checked" if pair.aligned else "cannot be told",
                "metrics": [_metric(one, sheet, pair.id, per_frame) for one in pair.metrics],
                "sampled_frames": pair.sampled_frames,
                "sampled": [
                    {"metric": name, "mean": number(value, _PRECISE)}
                    for name, value in pair.sampled
                ],
            }
            for pair in sheet.pairs
        ],
        "pictures": [
            {"id": i, "frame": f, "metric": m, "value": number(v, _PRECISE), "path": p}
            for i, f, m, v, p in pictures
        ],
    }


def _metric(one: MetricResult, sheet: ScoreSheet, identifier: str, per_frame: bool) -> Plain:
    values = sheet.values[identifier].get(one.metric) if per_frame else None
    return {
        "metric": one.metric,
        "model": one.model,
        "unit": one.unit,
        "better": one.better,
        "applies": one.pools is not None,
        "why_not": one.why_not,
        "perfect_frames": one.perfect,
        "pooled": _pools(one.pools),
        "shots": [_pools(shot) for shot in one.shots],
        "values": None if values is None else [number(v, _PRECISE) for v in values.tolist()],
    }


def _pools(pools: Pools | None) -> Plain | None:
    if pools is None:
        return None
    return {
        "mean": number(pools.mean, _PRECISE),
        "harmonic_mean": number(pools.harmonic_mean, _PRECISE),
        "p1": number(pools.p1, _PRECISE),
        "p5": number(pools.p5, _PRECISE),
        "p50": number(pools.p50, _PRECISE),
        "p95": number(pools.p95, _PRECISE),
        "p99": number(pools.p99, _PRECISE),
        "min": number(pools.min, _PRECISE),
        "max": number(pools.max, _PRECISE),
        "worst": number(pools.worst, _PRECISE),
        "worst_frame": pools.worst_frame,
    }


def _columns(sheet: ScoreSheet) -> list[str]:
    """The metrics that any file has values of, in order."""
    return list(
        dict.fromkeys(
            one.metric
            for pair in sheet.pairs
            for one in pair.metrics
            if one.metric in sheet.values[pair.id]
        )
    )


def _names(sheet: ScoreSheet) -> list[str]:
    return ["file", "frame", "time", "shot", *_columns(sheet), "models"]


def frame_rows(sheet: ScoreSheet) -> Iterator[dict[str, Any]]:
    """A row for each scored frame of each file: ``file``, ``frame``, ``time``, ``shot``, metrics.

    ``frame`` and ``time`` (seconds) are the reference's, ``shot`` counts from 0. Last come the
    ``models`` of the metrics, as in ``vmaf=vmaf_v0.6.1 ssim=ffmpeg-8x8-luma``: values of two models
    are not to be compared, and tables are put together.
    """
    starts = [shot.start for shot in sheet.shots]
    columns = _columns(sheet)
    for pair in sheet.pairs:
        values = sheet.values[pair.id]
        models = " ".join(f"{m.metric}={m.model}" for m in pair.metrics if m.metric in values)
        for place, frame in enumerate(values["frame"].astype(int).tolist()):
            shot = int(np.searchsorted(starts, frame, side="right")) - 1
            row: dict[str, Any] = {
                "file": pair.id,
                "frame": frame,
                "time": seconds(frame_time(frame, sheet.frame_rate)),
                "shot": shot,
            }
            for name in columns:
                row[name] = float(values[name][place]) if name in values else None
            row["models"] = models
            yield row


def write_csv(sheet: ScoreSheet, path: Path) -> None:
    """Writes every frame's values as CSV; an empty field where a metric does not apply.

    Raises:
        MachineError: when the file cannot be written.
    """
    names = _names(sheet)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            for row in frame_rows(sheet):
                writer.writerow(
                    {k: f"{v:.6f}" if isinstance(v, float) else v for k, v in row.items()}
                )
    except OSError as error:
        raise _unwritable(path, error) from error


def write_parquet(sheet: ScoreSheet, path: Path) -> None:
    """Writes every frame's values as a Parquet table.

    Raises:
        MachineError: when pyarrow is not installed, or the file cannot be written.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MachineError(
            "Parquet cannot be written",
            where=str(path),
            why="pyarrow is not installed",
            hint="Install it with `pip install 'encoder[parquet]'`, or use --csv",
        ) from error
    rows = list(frame_rows(sheet))
    names = _names(sheet)
    kinds: dict[str, Any] = {
        "file": pyarrow.string(),
        "frame": pyarrow.int32(),
        "time": pyarrow.float64(),
        "shot": pyarrow.int32(),
        "models": pyarrow.string(),
    }
    table = pyarrow.table(
        {
            name: pyarrow.array([row[name] for row in rows], kinds.get(name, pyarrow.float64()))
            for name in names
        }
    )
    try:
        # Of a path pyarrow removes what is there when it fails, be it a device or an earlier table.
        with path.open("wb") as file:
            pyarrow.parquet.write_table(table, file, compression="zstd")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> MachineError:
    return MachineError(
        "The scores cannot be written",
        where=str(path),
        why=error.strerror or str(error),
        hint="Choose a folder that exists and can be written to",
    )


def write_plot(sheet: ScoreSheet, path: Path) -> None:
    """Draws every metric over time, a panel each, a line a file, shots marked; PNG or SVG.

    Raises:
        MachineError: when the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    columns = _columns(sheet)
    units = {
        m.metric: m.model if m.unit == "VMAF" else m.unit
        for pair in sheet.pairs
        for m in pair.metrics
    }
    figure = Figure(figsize=(11, 1.2 + 2.1 * len(columns)), layout="constrained")
    axes = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    for name, axis in zip(columns, axes, strict=True):
        for pair in sheet.pairs:
            values = sheet.values[pair.id]
            if name in values:
                time = values["frame"] / float(sheet.frame_rate)
                axis.plot(time, values[name], linewidth=0.9, label=pair.id)
        for shot in sheet.shots[1:]:
            at = float(frame_time(shot.start, sheet.frame_rate))
            axis.axvline(at, color="0.8", linewidth=0.6, zorder=0)
        unit = units[name]
        axis.set_ylabel(name if unit.lower().replace("-", "_") == name else f"{name} ({unit})")
        axis.grid(axis="y", color="0.92")
    axes[0].legend(fontsize="small", loc="lower right")
    axes[0].set_title(f"Scores against {sheet.reference}", fontsize="medium", parse_math=False)
    axes[-1].set_xlabel("seconds")
    try:
        if path.suffix.lower() == ".svg":
            canvas: Any = FigureCanvasSVG(figure)
            canvas.print_svg(str(path), metadata={"Date": None, "Creator": None})
        else:
            canvas = FigureCanvasAgg(figure)
            canvas.print_png(str(path), metadata={"Software": None})
    except OSError as error:
        raise _unwritable(path, error) from error
