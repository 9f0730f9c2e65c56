"""What is shown of single shots is what the rungs were chosen by."""

from __future__ import annotations

import pytest

from encoder.ladder.decide import decide_ladder
from tests.ladder.test_evidence import APPLE, POLICY, analysis, conform


def test_the_rungs_of_all_shots_make_the_rung_of_the_title() -> None:
    lengths = [100, 80, 120]
    ladder = decide_ladder(conform(), analysis(lengths), POLICY, APPLE, ())
    assert sorted(hull.shot for hull in ladder.shot_hulls) == [0, 1, 2]
    for number, rung in enumerate(ladder.rungs):
        points = {hull.shot: hull.rungs[number] for hull in ladder.shot_hulls}
        assert {(p.width, p.height) for p in points.values()} == {(rung.width, rung.height)}
        assert tuple(points[n].crf for n in range(3)) == rung.crf_per_shot
        assert rung.expected is not None
        bits = sum(points[n].bitrate * length for n, length in enumerate(lengths))
        vmaf = sum(points[n].vmaf * length for n, length in enumerate(lengths))
        assert bits / 300 == pytest.approx(rung.expected.average_bitrate, abs=1)
        assert vmaf / 300 == pytest.approx(rung.expected.vmaf, abs=0.006)


def test_hulls_bend_down_and_nothing_lies_above() -> None:
    ladder = decide_ladder(conform(), analysis([100, 80]), POLICY, APPLE, ())
    for hull in ladder.shot_hulls:
        steps = list(zip(hull.points, hull.points[1:], strict=False))
        slopes = [(b.vmaf - a.vmaf) / (b.bitrate - a.bitrate) for a, b in steps]
        assert len(slopes) > 2
        assert slopes == sorted(slopes, reverse=True)
        for point in hull.rungs:
            over = [b for a, b in steps if a.bitrate <= point.bitrate <= b.bitrate]
            assert not over or point.vmaf <= over[0].vmaf


def test_of_many_shots_some_are_kept() -> None:
    ladder = decide_ladder(conform(), analysis([30] * 40), POLICY, APPLE, ())
    assert len({hull.shot for hull in ladder.shot_hulls}) == 12
