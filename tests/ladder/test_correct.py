"""Rungs that missed are decided again by what they delivered, others are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from encoder.encode.keyframes import gop_frames, plan_gops
from encoder.ladder.correct import correct, delivered, longest, missed, number_of
from encoder.ladder.decide import decide_ladder
from encoder.ladder.evidence import EFFORTS, gather
from encoder.ladder.geometry import level_of_policy
from encoder.ladder.policy import load_policy
from encoder.ladder.sample import whole_windows
from encoder.ladder.trials import Encode
from encoder.media.ladder import Expected, Ladder, Rung, Trial
from encoder.media.policy import Policy
from encoder.media.shots import Analysis
from tests.ladder.test_evidence import APPLE, POLICY, analysis, conform, encoder_of

SHAPE = conform()
RATE = 25.0


def encoded(found: Analysis, ladder: Ladder, hardness: Sequence[float]) -> dict[str, list[Trial]]:
    """What a made-up encoder gives for every rung, on all frames of every shot."""
    gops = plan_gops(found.shots, gop_frames(Fraction(25), POLICY.gop_seconds))
    windows = whole_windows(found.shots, gops)
    make = encoder_of(dict(enumerate(hardness)), [])
    return {
        rung.id: list(
            make(
                windows,
                [
                    Encode(rung.width, rung.height, number, crf)
                    for number, crf in enumerate(rung.crf_per_shot)
                ],
                1,
            )
        )
        for rung in ladder.rungs
    }


def reached(found: Analysis, trials: Sequence[Trial]) -> tuple[float, float]:
    weights = np.array([len(shot.frames) for shot in found.shots], dtype=np.float64)
    return delivered(trials, RATE).title(weights / weights.sum())


def promised(rung: Rung) -> Expected:
    assert rung.expected is not None
    return rung.expected


def corrected(
    found: Analysis, policy: Policy, ladder: Ladder, hardness: Sequence[float]
) -> tuple[Ladder, dict[str, list[Trial]]]:
    results = encoded(found, ladder, hardness)
    earlier: list[Trial] = []
    for _ in range(2):
        ladder = correct(SHAPE, found, policy, APPLE, ladder, results, earlier)
        earlier += [trial for its in results.values() for trial in its]
        results = encoded(found, ladder, hardness)
    return ladder, results


@pytest.mark.parametrize("hardness", [(1.0, 1.0), (3.0, 0.2), (0.3, 0.3), (0.2, 2.5)])
@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_rungs_deliver_what_they_were_to(hardness: tuple[float, float], codec: str) -> None:
    policy = replace(load_policy("per-title"), codec=codec)
    found = analysis([100, 80])
    first = decide_ladder(SHAPE, found, policy, APPLE, ())
    ladder, results = corrected(found, policy, first, hardness)
    before, after = encoded(found, first, hardness), results
    changed, off_before, off_after = 0, 0.0, 0.0
    for old, new in zip(first.rungs, ladder.rungs, strict=True):
        wanted = promised(old).vmaf
        off_before += abs(reached(found, before[old.id])[1] - wanted)
        rate, vmaf = reached(found, after[new.id])
        off_after += abs(vmaf - wanted)
        if new == old:
            continue
        changed += 1
        assert (new.id == old.id) == ((new.width, new.height) == (old.width, old.height))
        # The made-up encoder is further from the prior than any real one.
        assert abs(vmaf - promised(new).vmaf) <= 2.0
        assert abs(rate / promised(new).average_bitrate - 1) <= 0.12
        assert promised(new).average_bitrate <= policy.max_bitrate
        assert new.max_bitrate <= 2.0 * promised(new).average_bitrate + 1
    pixels = [rung.width * rung.height for rung in ladder.rungs]
    assert pixels == sorted(pixels, reverse=True)
    assert off_after < off_before / 2
    assert changed > 0
    assert ladder.curves != first.curves


def test_what_kept_its_promise_is_left_alone() -> None:
    found = analysis([100, 80])
    ladder = decide_ladder(SHAPE, found, POLICY, APPLE, ())
    results = encoded(found, ladder, (1.0, 1.0))
    kept = replace(
        ladder,
        rungs=tuple(
            replace(
                rung,
                expected=replace(
                    promised(rung),
                    average_bitrate=round(reached(found, results[rung.id])[0] * 1.04),
                    vmaf=reached(found, results[rung.id])[1] + 0.4,
                ),
            )
            for rung in ladder.rungs
        ),
    )
    assert correct(SHAPE, found, POLICY, APPLE, kept, results) is kept


def test_a_wrong_rate_alone_is_no_reason_to_encode_again() -> None:
    found = analysis([100])
    ladder = decide_ladder(SHAPE, found, POLICY, APPLE, ())
    results = encoded(found, ladder, (1.0,))
    dear = replace(
        ladder,
        rungs=tuple(
            replace(
                rung,
                expected=replace(
                    promised(rung),
                    average_bitrate=round(reached(found, results[rung.id])[0] / 1.3),
                    vmaf=min(POLICY.top_vmaf, reached(found, results[rung.id])[1]),
                ),
            )
            for rung in ladder.rungs
        ),
    )
    assert all(missed(rung, reached(found, results[rung.id])) for rung in dear.rungs)
    better = correct(SHAPE, found, POLICY, APPLE, dear, results)
    inside = [r for r in dear.rungs if reached(found, results[r.id])[1] <= POLICY.top_vmaf]
    assert [one for one in better.rungs if one in inside] == inside
    assert better.savings != dear.savings


def test_a_fixed_ladder_promises_nothing() -> None:
    found = analysis([100])
    ladder = decide_ladder(SHAPE, found, APPLE, None, ())
    assert not any(missed(rung, (1.0, 1.0)) for rung in ladder.rungs)
    assert correct(SHAPE, found, APPLE, None, ladder, {}) is ladder


def test_corrections_keep_to_what_the_devices_can_decode() -> None:
    policy = replace(POLICY, max_level="3")
    most = level_of_policy(policy).bitrate
    assert most < policy.max_bitrate
    found, hardness = analysis([100, 80]), (6.0, 6.0)
    first = decide_ladder(SHAPE, found, policy, APPLE, ())
    before = encoded(found, first, hardness)
    # Several of its rungs cannot be had within the level; one takes their place.
    assert sum(reached(found, its)[0] > most for its in before.values()) > 1
    ladder, results = corrected(found, policy, first, hardness)
    assert max(reached(found, its)[0] for its in results.values()) <= most
    assert max(promised(rung).average_bitrate for rung in ladder.rungs) <= most
    assert 1 < len(ladder.rungs) < len(first.rungs)
    rates = [reached(found, results[rung.id])[0] for rung in ladder.rungs]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > most / 2
    kept = [number_of(rung) for rung in ladder.rungs]
    assert kept == sorted(set(kept))


def test_what_is_settled_stays() -> None:
    found = analysis([100, 80])
    first = decide_ladder(SHAPE, found, POLICY, APPLE, ())
    results = encoded(found, first, (3.0, 0.2))
    arguments = (SHAPE, found, POLICY, APPLE, first, results, ())
    free = correct(*arguments)
    moved = [n for n, rung in enumerate(first.rungs) if free.rungs[n] != rung]
    assert len(moved) > 1
    held = correct(*arguments, {first.rungs[moved[0]].id})
    assert held.rungs[moved[0]] == first.rungs[moved[0]]
    assert any(held.rungs[n] != first.rungs[n] for n in moved[1:])
    assert correct(*arguments, {rung.id for rung in first.rungs}) is first


def test_shots_whose_crf_hardly_moves_are_not_encoded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = analysis([100, 80, 60, 40, 90])
    first = decide_ladder(SHAPE, found, POLICY, APPLE, ())
    hardness = (0.92, 1.12, 0.55, 1.03, 0.76)
    results = encoded(found, first, hardness)

    def again() -> tuple[int, list[float]]:
        better = correct(SHAPE, found, POLICY, APPLE, first, results)
        shots, off = 0, []
        after = encoded(found, better, hardness)
        for old, new in zip(first.rungs, better.rungs, strict=True):
            moved = zip(old.crf_per_shot, new.crf_per_shot, strict=True)
            shots += sum(abs(a - b) == 0.5 for a, b in moved)
            off.append(abs(reached(found, after[new.id])[1] - promised(old).vmaf))
        return shots, off

    few, off = again()
    monkeypatch.setattr("encoder.ladder.correct._NEAR_ENOUGH", -1.0)
    many, least = again()
    assert few < many
    assert max(off) < max(least) + 0.5


def test_of_many_shots_the_longest_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoder.ladder.correct._MOST_SHOTS", 2)
    found = analysis([30, 100, 20, 80])
    first = decide_ladder(SHAPE, found, POLICY, APPLE, ())
    trials = encoded(found, replace(first, rungs=first.rungs[:1]), (1.0,) * 4)[first.rungs[0].id]
    assert [trial.shot for trial in longest(trials, found)] == [1, 3]


@pytest.mark.parametrize("parts", [((0,), (1, 2), (3,)), ((0, 1, 2, 3),), ()])
def test_no_more_is_encoded_again_than_the_title_needs(parts: tuple[tuple[int, ...], ...]) -> None:
    found = analysis([100, 40, 60, 100])
    make = encoder_of(dict.fromkeys(range(4), 1.0), [])
    trials = gather(SHAPE, found, POLICY, EFFORTS["exhaustive"], make)
    ladder = decide_ladder(SHAPE, found, POLICY, APPLE, trials)
    middle = ladder.rungs[len(ladder.rungs) // 2]
    results = encoded(found, ladder, (1.0, 1.0, 1.0, 1.0))
    vmaf = reached(found, results[middle.id])[1]
    rate = reached(found, results[middle.id])[0]
    for off in (0.6, -0.6, 2.5):
        expected = replace(promised(middle), vmaf=vmaf + off, average_bitrate=round(rate))
        rungs = tuple(replace(r, expected=expected) if r is middle else r for r in ladder.rungs)
        others = {r.id for r in rungs if r.id != middle.id}
        better = correct(
            SHAPE, found, POLICY, APPLE, replace(ladder, rungs=rungs), results, (), others, parts
        )
        (new,) = [r for r in better.rungs if r.id == middle.id]
        changed = {n for n in range(4) if new.crf_per_shot[n] != middle.crf_per_shot[n]}
        assert changed
        assert abs(promised(new).vmaf - expected.vmaf) <= 0.31
        groups = parts or ((0,), (1,), (2,), (3,))
        touched = [part for part in groups if changed & set(part)]
        if len(groups) > 1 and abs(off) < 1:
            # Half of the title at the most makes up for half of what it is off.
            assert sum(len(part) for part in touched) < 4
