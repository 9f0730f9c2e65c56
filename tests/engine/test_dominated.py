"""A rung that costs more and looks no better is told of."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from encoder.engine.ingest import dominated
from encoder.media.package import Package, PackagedTrack
from encoder.media.scores import MetricScore, Pooled, RenditionScore, Scorecard


def made(points: list[tuple[int, float]]) -> tuple[Package, Scorecard]:
    tracks, scores = [], []
    for number, (rate, vmaf) in enumerate(points):
        name = f"r{number}"
        tracks.append(
            PackagedTrack(name, "video", Path(name), "avc1", rate, rate, 1, Fraction(1), 25, 1)
        )
        metric = MetricScore("vmaf", "m", Pooled(vmaf, vmaf, vmaf, vmaf, vmaf), ())
        scores.append(RenditionScore(name, 640, 360, 1, (metric,), Path("x")))
    package = Package(Path("."), Path("a"), Path("b"), 1, tuple(tracks))
    return package, Scorecard(tuple(scores))


def test_a_ladder_as_it_should_be() -> None:
    assert dominated(*made([(2000, 95.0), (1000, 90.0), (500, 80.0)])) == []


def test_dominated_rungs_are_named() -> None:
    (said,) = dominated(*made([(2000, 90.0), (1000, 90.5), (500, 80.0)]))
    assert said.startswith("r0 costs 2000")
    assert "r1" in said
