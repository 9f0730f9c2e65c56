"""Rungs that are encoded first decide the others, and stay where they do their part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from encoder.ladder.anchors import Anchor, decide_around, is_anchor, next_anchors
from encoder.ladder.decide import decide_ladder
from encoder.ladder.evidence import EFFORTS, gather
from encoder.ladder.policy import load_policy
from encoder.media.ladder import Interval, Rung
from tests.ladder.drawn import FIRST, FOUND, LENGTHS, Drawn
from tests.ladder.test_correct import SHAPE, encoded, promised
from tests.ladder.test_evidence import APPLE, POLICY, encoder_of


def test_others_are_decided_by_what_anchors_gave() -> None:
    before, after, kept, encodes, rungs, passes, tried = [], [], 0, 0, 0, 0, 0
    for seed in range(8):
        made = Drawn(seed)
        ladder = FIRST
        anchors: list[Anchor] = []
        while chosen := next_anchors(ladder, anchors):
            assert set(chosen) <= set(ladder.rungs)
            assert not any(is_anchor(rung, anchors) for rung in chosen)
            assert ladder.rungs[0] not in chosen
            passes += 1
            anchors += [Anchor(rung, made.encode(rung)) for rung in chosen]
            ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, (), anchors)
        others = [r for r in ladder.rungs if not is_anchor(r, anchors)]
        kept += len(ladder.rungs) - len(others)
        encodes += len(anchors) + len(others)
        tried += len(anchors)
        rungs += len(ladder.rungs)
        before.append(np.mean([made.off(rung) for rung in FIRST.rungs]))
        after += [made.off(rung) for rung in others]
        assert [rung.id[-3:] for rung in ladder.rungs] == [
            f"-{n:02d}" for n in range(1, len(ladder.rungs) + 1)
        ]
        pixels = [rung.width * rung.height for rung in ladder.rungs]
        assert pixels == sorted(pixels, reverse=True)
        rates = [promised(rung).average_bitrate for rung in others]
        assert rates == sorted(rates, reverse=True)
    assert np.mean(after) < np.mean(before) / 3
    # Without any trial before, many are in vain; all the same it costs less than all rungs twice.
    assert kept > rungs / 2
    assert encodes < 2 * rungs
    # Two at a time where they are not neighbours, and the best is not among them.
    assert passes < 0.8 * tried


def test_an_anchor_that_gave_what_was_wanted_stays_as_it_is() -> None:
    # A made-up encoder that is not far from what is believed after a few trials.
    make = encoder_of({0: 1.0, 1: 1.0}, [])
    trials = gather(SHAPE, FOUND, POLICY, EFFORTS["thorough"], make)
    first = decide_ladder(SHAPE, FOUND, POLICY, APPLE, trials)
    middle = first.rungs[len(first.rungs) // 2]
    results = encoded(FOUND, replace(first, rungs=(middle,)), (1.0, 1.0))
    anchor = Anchor(middle, tuple(results[middle.id]))
    ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, [anchor])
    (kept,) = [rung for rung in ladder.rungs if is_anchor(rung, [anchor])]
    assert kept.expected == middle.expected
    assert ladder.trials == trials


def test_an_anchor_that_is_not_worth_its_bits_was_a_trial_only() -> None:
    middle = FIRST.rungs[len(FIRST.rungs) // 2]
    results = encoded(FOUND, replace(FIRST, rungs=(middle,)), (1.0, 1.0))
    found = tuple(replace(t, vmaf=t.vmaf - 8.0) for t in results[middle.id])
    others = tuple(
        trial
        for rung in FIRST.rungs
        if rung is not middle
        for trial in encoded(FOUND, replace(FIRST, rungs=(rung,)), (1.0, 1.0))[rung.id]
    )
    anchor = Anchor(middle, found)
    ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, others, [anchor])
    assert not any(is_anchor(rung, [anchor]) for rung in ladder.rungs)
    assert len(ladder.rungs) > 1


def test_what_is_known_is_not_tried_first() -> None:
    exhaustive = gather(
        SHAPE, FOUND, POLICY, EFFORTS["exhaustive"], encoder_of({0: 1.0, 1: 1.0}, [])
    )
    known = decide_ladder(SHAPE, FOUND, POLICY, APPLE, exhaustive)
    assert next_anchors(known, ()) == ()
    assert next_anchors(replace(FIRST, rungs=FIRST.rungs[:3]), ()) == ()
    av1 = replace(load_policy("per-title"), codec="av1")
    assert next_anchors(decide_ladder(SHAPE, FOUND, av1, APPLE, ()), ()) == ()
    assert next_anchors(FIRST, ()) == (FIRST.rungs[(len(FIRST.rungs) - 1) // 2],)


def test_the_next_anchor_is_near_to_what_is_known() -> None:
    made = Drawn(1)
    first = FIRST.rungs[2]
    anchor = Anchor(first, made.encode(first))
    rate = sum(t.key_bits + t.other_bits for t in anchor.trials) * SHAPE.frame_rate / sum(LENGTHS)
    found, beside = next_anchors(FIRST, [anchor])
    assert found is not first
    assert beside is not first
    places = [FIRST.rungs.index(rung) for rung in (found, beside)]
    assert abs(places[0] - places[1]) > 1
    away = {
        rung.id: abs(np.log(promised(rung).average_bitrate / float(rate)))
        for rung in FIRST.rungs
        if rung is not first
    }
    assert away[found.id] == min(away.values())
    # Those that are known well enough are not looked at.
    sure = replace(
        promised(found),
        vmaf_interval=Interval(promised(found).vmaf - 0.6, promised(found).vmaf + 0.6),
        average_bitrate_interval=Interval(
            promised(found).average_bitrate * 0.96, promised(found).average_bitrate * 1.04
        ),
    )
    known = tuple(replace(r, expected=sure) if r is found else r for r in FIRST.rungs)
    others = next_anchors(replace(FIRST, rungs=known), [anchor])
    assert others
    assert found.id not in [rung.id for rung in others]


def test_an_anchor_beside_another_was_a_trial_only() -> None:
    make = encoder_of({0: 1.0, 1: 1.0}, [])
    trials = gather(SHAPE, FOUND, POLICY, EFFORTS["thorough"], make)
    first = decide_ladder(SHAPE, FOUND, POLICY, APPLE, trials)
    one = first.rungs[len(first.rungs) // 2]

    def anchor(rung: Rung) -> Anchor:
        return Anchor(
            rung, tuple(encoded(FOUND, replace(first, rungs=(rung,)), (1.0, 1.0))[rung.id])
        )

    near = anchor(replace(one, crf_per_shot=tuple(crf + 0.5 for crf in one.crf_per_shot)))
    alone = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, [near])
    assert any(is_anchor(rung, [near]) for rung in alone.rungs)
    both = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, [anchor(one), near])
    assert any(is_anchor(rung, [anchor(one)]) for rung in both.rungs)
    assert not any(is_anchor(rung, [near]) for rung in both.rungs)


@pytest.mark.parametrize(("above", "stays"), [(0.0, True), (1.5, False)])
def test_the_best_rung_is_no_better_than_wanted(above: float, stays: bool) -> None:
    make = encoder_of({0: 1.0, 1: 1.0}, [])
    trials = gather(SHAPE, FOUND, POLICY, EFFORTS["exhaustive"], make)
    top = decide_ladder(SHAPE, FOUND, POLICY, APPLE, trials).rungs[0]
    better = decide_ladder(
        SHAPE, FOUND, replace(POLICY, top_vmaf=POLICY.top_vmaf + above), APPLE, trials
    ).rungs[0]
    found = tuple(encoded(FOUND, replace(FIRST, rungs=(better,)), (1.0, 1.0))[better.id])
    anchor = Anchor(better, found)
    ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, [anchor])
    assert is_anchor(ladder.rungs[0], [anchor]) == stays
    assert (better == top) == stays


def test_anchors_that_came_out_side_by_side_are_one_rung() -> None:
    make = encoder_of({0: 1.0, 1: 1.0}, [])
    trials = gather(SHAPE, FOUND, POLICY, EFFORTS["exhaustive"], make)
    first = decide_ladder(SHAPE, FOUND, POLICY, APPLE, trials)
    upper, lower = first.rungs[1:3]

    def towards(rung: Rung, off: float) -> Anchor:
        """An encode at a rung's resolution that is off its quality by about that."""
        ways = [
            replace(rung, crf_per_shot=tuple(crf + step / 2 for crf in rung.crf_per_shot))
            for step in range(-14, 15)
        ]
        found = {way: encoded(FOUND, replace(first, rungs=(way,)), (1.0, 1.0)) for way in ways}
        wanted = promised(rung).vmaf + off
        best = min(
            ways, key=lambda way: abs(np.mean([t.vmaf for t in found[way][rung.id]]) - wanted)
        )
        return Anchor(best, tuple(found[best][rung.id]))

    anchors = [towards(upper, -2.2), towards(lower, 2.2)]
    for alone in anchors:
        ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, [alone])
        assert any(is_anchor(rung, [alone]) for rung in ladder.rungs)
    ladder = decide_around(SHAPE, FOUND, POLICY, APPLE, trials, anchors)
    assert sum(is_anchor(rung, anchors) for rung in ladder.rungs) == 1
