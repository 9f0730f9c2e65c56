"""The ladder as a picture file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from encoder.errors import MachineError, UsageError
from encoder.media.ladder import Ladder
from encoder.report import view
from encoder.report.plot import ladder_plot, save_ladder_plot
from encoder.report.rate_quality import rate_quality

from .factory import CURVES, HULL, RUNGS, ladder, report_data, without_expectations

TWELVE = tuple((i // 3, 9_000_000 - 720_000 * i) for i in range(12))
FIXED = without_expectations(report_data()).result.ladder


def test_importing_it_does_not_import_matplotlib() -> None:
    code = (
        "import sys, encoder.report, encoder.report.plot, encoder.report.html;"
        "print([m for m in ('matplotlib', 'jinja2', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_draws_with_neither_pyplot_nor_changed_settings(tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib; from pathlib import Path;"
        "from tests.report.factory import ladder; from encoder.report.plot import save_ladder_plot;"
        "used = ('svg.hashsalt', 'svg.fonttype', 'path.sketch', 'font.size');"
        "before = [matplotlib.rcParams[k] for k in used];"
        f"save_ladder_plot(ladder(), Path({str(tmp_path / 'a.svg')!r}));"
        f"save_ladder_plot(ladder(), Path({str(tmp_path / 'a.png')!r}));"
        "after = [matplotlib.rcParams[k] for k in used];"
        "print('matplotlib.pyplot' in sys.modules, before == after)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("suffix", [".svg", ".SVG", ".png"])
def test_the_same_ladder_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    files = [tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"]
    for path in files:
        save_ladder_plot(ladder(), path)
    first, second = (path.read_bytes() for path in files)
    assert first == second
    assert first.startswith(b"<?xml" if suffix != ".png" else b"\x89PNG\r\n\x1a\n")
    assert b"<dc:date>" not in first


@pytest.mark.parametrize("name", ["plot.jpg", "plot", "plot.pdf", ".png"])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        save_ladder_plot(ladder(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="No such file"):
        save_ladder_plot(ladder(), tmp_path / "missing" / "plot.svg")


def test_everything_is_in_the_picture() -> None:
    chosen = ladder()
    axes = ladder_plot(chosen, measured=view.measured(report_data().result)).axes[0]
    handles, names = axes.get_legend_handles_labels()
    assert names == [
        *(f"{height}p" for height in (1080, 720, 540, 360, 234)),
        "upper hull",
        "fixed: apple-hls",
        "chosen rung",
        "delivered",
    ]
    by_name = dict(zip(names, handles, strict=True))
    drawn = set()
    for name, handle in by_name.items():
        if name.endswith("p"):
            drawn |= {(float(x), float(y)) for x, y in zip(*handle.get_data(), strict=True)}
    assert drawn == {(float(p.bitrate), p.vmaf) for p in CURVES}
    assert len(by_name["upper hull"].get_xdata()) == len(HULL)
    assert len(by_name["fixed: apple-hls"].get_xdata()) == 7
    offsets = by_name["chosen rung"].get_offsets()
    assert [int(x) for x, _ in offsets] == [rate for _, rate in RUNGS]
    assert len(by_name["delivered"].get_offsets()) == len(RUNGS)
    colours = [by_name[n].get_color() for n in names if n.endswith("p")]
    assert len(set(colours)) == 5


@pytest.mark.parametrize("rungs", [RUNGS[:1], RUNGS, TWELVE])
def test_labels_do_not_overlap_and_stay_in_the_picture(rungs: tuple[tuple[int, int], ...]) -> None:
    figure = ladder_plot(ladder(rungs=rungs))
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    boxes = [one.get_window_extent() for one in axes.texts]
    assert len(boxes) == len(rungs)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    area = axes.bbox
    for box in boxes:
        assert area.x0 <= box.x0 < box.x1 <= area.x1
        assert area.y0 <= box.y0 < box.y1 <= area.y1
    ticks = [one.get_window_extent() for one in axes.get_xticklabels() if one.get_text()]
    assert len(ticks) >= 2
    for one, other in combinations(ticks, 2):
        assert not one.overlaps(other)


def test_every_shot_has_the_slope_of_the_rung() -> None:
    chosen = ladder()
    axes: Any = ladder_plot(chosen).axes[1]
    number = len(RUNGS) // 2
    rung = chosen.rungs[number]
    assert rung.expected is not None
    lines = [list(zip(*line.get_data(), strict=True)) for line in axes.lines]
    hulls, tangents = lines[::2], lines[1::2]
    for hull, drawn, tangent in zip(chosen.shot_hulls, hulls, tangents, strict=True):
        assert drawn == [(p.bitrate / 1e6, p.vmaf) for p in hull.points]
        (x0, y0), (x1, y1) = tangent
        at = hull.rungs[number]
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((at.bitrate / 1e6, at.vmaf))
        assert (y1 - y0) / (x1 - x0) == pytest.approx(rung.expected.slope)
    assert rung.id in axes.get_title(loc="left")
    assert len(ladder_plot(ladder(trials=False)).axes) == 1


@pytest.mark.parametrize(
    "chosen",
    [
        ladder(trials=False, savings=False),
        ladder(rungs=RUNGS[:1]),
        FIXED,
        replace(FIXED, rungs=()),
    ],
)
def test_whatever_is_missing_it_can_be_drawn(tmp_path: Path, chosen: Ladder) -> None:
    save_ladder_plot(chosen, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5_000


def test_ticks_are_in_readable_units() -> None:
    axes = ladder_plot(ladder()).axes[0]
    written = [one.get_text().replace("\N{NO-BREAK SPACE}", " ") for one in axes.get_xticklabels()]
    assert "500 kb/s" in written
    assert "2 Mb/s" in written


def test_a_fixed_ladder_is_named_where_it_was_delivered() -> None:
    result = without_expectations(report_data()).result
    picture = rate_quality(result.ladder, view.measured(result))
    assert all(mark.expected is None for mark in picture.marks)
    assert [mark.point for mark in picture.marks] == [mark.delivered for mark in picture.marks]
    assert not picture.empty
    assert rate_quality(result.ladder).empty
