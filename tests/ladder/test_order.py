"""Rungs stay in order, whatever is corrected of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from encoder.ladder.correct import correct
from encoder.ladder.decide import decide_ladder
from encoder.ladder.order import Standing, in_order
from encoder.media.ladder import Ladder, Rung, Trial
from tests.ladder.drawn import FOUND, Drawn
from tests.ladder.test_correct import SHAPE
from tests.ladder.test_evidence import APPLE, POLICY

RUNG = Rung("a", "h264", 100, 50, "medium", (30.0,), None, 1, 1, None, "")
LARGE, SMALL = replace(RUNG, id="large", width=200), replace(RUNG, id="small", width=60)


def at(rate: float, vmaf: float, rung: Rung = RUNG) -> Standing:
    return Standing(rung, rate, vmaf)


def wrong(made: Drawn, ladder: Ladder) -> int:
    """How many neighbours of a ladder are not in order by what they deliver."""
    found = [Standing(rung, *made.title(rung)) for rung in ladder.rungs]
    return sum(not better.above(worse) for better, worse in pairwise(found))


@pytest.mark.parametrize(("most", "level"), [(3, None), (8, None), (4, "3")])
def test_corrections_leave_the_order(most: int, level: str | None) -> None:
    policy = replace(POLICY, max_rungs=most, max_level=level)
    first = decide_ladder(SHAPE, FOUND, policy, APPLE, ())
    changed = 0
    # Among these are encoders by which the wanted corrections would put rungs in the wrong order.
    for seed in (2, 3, 4, 14, 18, 26):
        made, ladder, earlier = Drawn(seed), first, list[Trial]()
        for _ in range(2):
            results = {rung.id: made.encode(rung) for rung in ladder.rungs}
            ladder = correct(SHAPE, FOUND, policy, APPLE, ladder, results, earlier)
            earlier += [trial for its in results.values() for trial in its]
        assert wrong(made, ladder) <= wrong(made, first)
        changed += sum(rung not in ladder.rungs for rung in first.rungs)
    assert changed > 4


def test_what_is_wanted_is_taken_where_it_can_be() -> None:
    before = [at(300, 90), at(200, 80), at(100, 70)]
    wanted = [at(320, 93), at(180, 81), at(90, 68)]
    ways = [[new, old] for new, old in zip(wanted, before, strict=True)]
    assert in_order(before, ways, 1.0) == wanted


@pytest.mark.parametrize(
    "new",
    [at(310, 85), at(200, 91), at(200, 89.5), at(200, 85, LARGE)],
    ids=["dearer", "better", "too near", "larger"],
)
def test_the_worse_one_gives_way(new: Standing) -> None:
    before = [at(300, 90), at(150, 80), at(100, 70)]
    second = at(180, 82)
    ways = [[before[0]], [new, second, before[1]], [before[2]]]
    assert in_order(before, ways, 1.0) == [before[0], second, before[2]]


def test_the_better_one_gives_way_when_the_other_cannot() -> None:
    before = [at(300, 90), at(150, 80), at(100, 70)]
    ways = [[at(140, 79), before[0]], [before[1]], [before[2]]]
    assert in_order(before, ways, 1.0) == before
    # Its own change was not to blame, and comes back in no other way than as it was.
    ways = [[at(250, 88, SMALL), at(250, 87), before[0]], [before[1]], [before[2]]]
    assert in_order(before, ways, 1.0)[0] == at(250, 87)


def test_what_was_wrong_already_hinders_no_correction() -> None:
    before = [at(300, 80), at(310, 85)]
    wanted = [at(350, 84), before[1]]
    assert in_order(before, [[wanted[0], before[0]], [before[1]]], 1.0) == wanted
    near = [at(300, 80.4), at(200, 80)]
    assert in_order(near, [[at(310, 80.5), near[0]], [near[1]]], 1.0)[0] == at(310, 80.5)


def test_what_may_not_stay_is_left_out_where_there_is_no_room_for_it() -> None:
    before = [at(900, 92), at(700, 91), at(300, 85)]
    ways: list[list[Standing | None]] = [[at(500, 89), None], [at(510, 89.2), None], [before[2]]]
    assert in_order(before, ways, 1.0) == [at(500, 89), None, before[2]]
    # The next one down is compared with what is left above it.
    ways = [[at(500, 89), None], [at(510, 89.2), None], [at(490, 88.5), before[2]]]
    assert in_order(before, ways, 1.0) == [at(500, 89), None, before[2]]
