"""What is known of surfaces: before trials, after them, and of shots that had none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from encoder.codecs import codec_named
from encoder.errors import UsageError
from encoder.ladder.decide import decide_ladder
from encoder.ladder.evidence import (
    EFFORTS,
    Effort,
    Maker,
    gather,
    prior_for,
    shot_features,
    surfaces,
)
from encoder.ladder.policy import load_policy
from encoder.ladder.prior import ENVIRONMENT_VARIABLE, believe, from_logit, load_prior, logit
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode
from encoder.media.colour import BT709
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Trial
from encoder.media.shots import Analysis, Complexity, Shot

POLICY = load_policy("per-title")
APPLE = load_policy("apple-hls")
PRIOR = prior_for(codec_named("h264"), "medium")


def conform(width: int = 1280, height: int = 720) -> Conform:
    return Conform(0, (), (), width, height, Fraction(25), BT709, "yuv420p", Fraction(0), False, ())


def analysis(lengths: Sequence[int], *complexities: Complexity) -> Analysis:
    """Shots of these lengths, the complexities in turn."""
    kinds = complexities or (
        Complexity(60, 10, 80, 0.3, 110, (120, 60, 30, 20, 10)),
        Complexity(30, 3, 30, 0.1, 80, (40, 16, 8, 6, 2)),
    )
    shots, start = [], 0
    for number, length in enumerate(lengths):
        frames = FrameRange(start, start + length)
        shots.append(Shot(frames, True, kinds[number % len(kinds)]))
        start += length
    return Analysis(start, Fraction(25), tuple(shots))


def encoder_of(hardness: dict[int, float], calls: list[int]) -> Maker:
    """Stands in for real trials: a made-up encoder whose shots differ by hardness."""

    def make(windows: Sequence[Window], encodes: Sequence[Encode], every: int) -> list[Trial]:
        calls.append(len(encodes))
        found = []
        for encode in encodes:
            window = windows[encode.window]
            hard = hardness[window.shot]
            share = encode.width / 1280
            bits = hard * 1280 * 720 * share**1.5 * 0.2 * 2 ** (-(encode.crf - 18) / 6)
            vmaf = 100 / (1 + math.exp((encode.crf - 44) / 6)) * (1 - 0.4 * (1 - share))
            count = len(window.frames)
            keys = len(window.keys)
            found.append(
                Trial(
                    window.shot,
                    window.frames.start,
                    count,
                    encode.width,
                    encode.height,
                    encode.crf,
                    keys,
                    round(6 * bits) * keys,
                    round(bits) * (count - keys),
                    vmaf,
                )
            )
        return found

    return make


@pytest.mark.parametrize("value", [0.0, 12.5, 50.0, 99.0, 100.0])
def test_the_logistic_scale_can_be_undone(value: float) -> None:
    assert from_logit(logit(np.array(value))) == pytest.approx(value, abs=1e-9)


def test_interpolation_meets_the_nodes_and_is_straight_beyond() -> None:
    for number, scale in enumerate(PRIOR.scales):
        for column, crf in enumerate(PRIOR.crfs):
            weights = PRIOR.weights(float(scale), float(crf))
            wanted = np.zeros(PRIOR.nodes)
            wanted[number * len(PRIOR.crfs) + column] = 1.0
            assert weights == pytest.approx(wanted, abs=1e-9)
    steps = [PRIOR.weights(0.5, crf) for crf in (42.0, 43.0, 44.0)]
    assert steps[1] - steps[0] == pytest.approx(steps[2] - steps[1], abs=1e-9)


def test_the_prior_is_a_gaussian_of_plausible_surfaces() -> None:
    assert np.linalg.eigvalsh(PRIOR.covariance).min() > 0
    assert np.linalg.eigvalsh(PRIOR.window_covariance).min() > 0
    found = shot_features(conform(), analysis([50, 50]))
    hard, easy = (PRIOR.mean(one).reshape(3, len(PRIOR.scales), len(PRIOR.crfs)) for one in found)
    for mean in (hard, easy):
        assert (np.diff(mean, axis=2) < 0.05).all()
        assert (np.diff(mean[1], axis=0) > 0).all()
    assert (hard[1] > easy[1]).all()


def test_a_trial_takes_away_doubt_and_draws_the_surface_to_it() -> None:
    (shot,) = shot_features(conform(), analysis([50]))
    before = believe(PRIOR, shot, 100, (), 1280 * 720, 1280)
    trial = Trial(0, 0, 12, 960, 540, 27.0, 1, 500_000, 500_000, 80.0)
    after = believe(PRIOR, shot, 100, (trial,), 1280 * 720, 1280)
    row = PRIOR.weights(0.75, 27.0)
    n = PRIOR.nodes

    def doubt(covariance: np.ndarray) -> float:
        return float(row @ covariance[2 * n :, 2 * n :] @ row)

    assert doubt(after.covariance) < 0.25 * doubt(before.covariance)
    assert (np.diag(after.covariance) <= np.diag(before.covariance) + 1e-9).all()
    seen = float(from_logit(np.array(row @ after.mean[2 * n :])))
    told = float(from_logit(np.array(row @ before.mean[2 * n :])))
    assert abs(seen - 80) < 0.6 * abs(told - 80) + 4


def test_a_trial_of_a_whole_shot_is_taken_as_it_is() -> None:
    (shot,) = shot_features(conform(), analysis([12]))
    trial = Trial(0, 0, 12, 960, 540, 27.0, 1, 500_000, 500_000, 80.0)
    row = PRIOR.weights(0.75, 27.0)

    def told(frames: int) -> float:
        found = believe(PRIOR, shot, frames, (trial,), 1280 * 720, 1280)
        return float(from_logit(np.array(row @ found.mean[2 * PRIOR.nodes :])))

    assert told(12) == pytest.approx(80.0, abs=0.5)
    assert abs(told(60) - 80.0) > 1.0
    # The more of the shot it has, the nearer.
    assert abs(told(20) - 80.0) < abs(told(60) - 80.0)


def test_a_trial_of_a_whole_shot_settles_what_short_ones_say_otherwise() -> None:
    (shot,) = shot_features(conform(), analysis([60]))
    short = [
        Trial(0, 20, 12, 960, 540, crf, 1, 300_000, 900_000, vmaf)
        for crf, vmaf in ((24.0, 84.0), (27.0, 77.0), (30.0, 69.0))
    ]
    whole = Trial(0, 0, 60, 960, 540, 27.0, 1, 300_000, 4_000_000, 80.0)
    found = believe(PRIOR, shot, 60, (*short, whole), 1280 * 720, 1280)
    seen = float(from_logit(np.array(PRIOR.weights(0.75, 27.0) @ found.mean[2 * PRIOR.nodes :])))
    assert seen == pytest.approx(80.0, abs=0.1)


def test_trials_keep_to_the_budget_and_stop_when_told() -> None:
    title = analysis([250, 300, 200, 400])
    calls: list[int] = []
    make = encoder_of(dict.fromkeys(range(4), 1.0), calls)
    few = gather(conform(), title, POLICY, EFFORTS["quick"], make)
    many = gather(conform(), title, POLICY, EFFORTS["thorough"], make)
    assert 0 < len(few) < len(many)
    assert gather(conform(), title, POLICY, EFFORTS["instant"], make) == ()
    count = len(calls)
    stopped = gather(conform(), title, POLICY, EFFORTS["thorough"], make, lambda: True)
    assert (stopped, len(calls)) == ((), count)


@pytest.mark.parametrize("effort", ["quick", "standard"])
@pytest.mark.parametrize("size", [(64, 36), (320, 180), (1920, 1080)])
def test_a_short_title_is_tried_however_little_it_costs(effort: str, size: tuple[int, int]) -> None:
    title = analysis([5, 7])
    make = encoder_of({0: 1.0, 1: 0.3}, [])
    trials = gather(conform(*size), title, POLICY, EFFORTS[effort], make)  # type: ignore[index]
    assert {t.shot for t in trials} == {0, 1}


def test_what_rungs_are_wanted_changes_no_trial() -> None:
    title = analysis([250, 300])
    hardness = {0: 1.0, 1: 0.2}
    found = [
        gather(conform(), title, policy, EFFORTS["standard"], encoder_of(hardness, []))
        for policy in (POLICY, replace(POLICY, top_vmaf=80.0, max_bitrate=900_000, max_rungs=3))
    ]
    assert found[0] == found[1]


def test_exhaustive_surfaces_are_the_measurements() -> None:
    title = analysis([60, 40])
    effort = Effort(1.0, 0, 0, 1, whole=True, crfs=6)
    make = encoder_of({0: 1.0, 1: 0.1}, [])
    trials = gather(conform(), title, POLICY, effort, make)
    found = surfaces(conform(), title, POLICY, trials)
    assert not found.rate_errors.any()
    crf = trials[0].crf
    column = int(np.searchsorted(found.crfs, crf))
    for trial in trials:
        if trial.crf == crf:
            size = found.sizes.index((trial.width, trial.height))
            rate = (trial.key_bits + trial.other_bits) * 25 / trial.frames
            assert found.rates[trial.shot, size, column] == pytest.approx(rate, rel=1e-4)
            assert found.vmafs[trial.shot, size, column] == pytest.approx(trial.vmaf, abs=1e-3)


@pytest.mark.parametrize("effort", ["instant", "standard", "exhaustive"])
@pytest.mark.parametrize(
    "lengths", [[1], [2], [1, 2, 300], [12] * 40], ids=["frame", "two", "mixed", "many"]
)
@pytest.mark.parametrize(
    "kind",
    [
        Complexity(0, 0, 0, 0, 16, (0,) * 5),
        Complexity(140, 90, 400, 60, 128, (5000, 4000, 3000, 2500, 1500)),
    ],
    ids=["black", "noise"],
)
@pytest.mark.parametrize("size", [(1280, 720), (160, 90), (322, 242)])
def test_every_title_gets_a_sensible_ladder(
    effort: str, lengths: list[int], kind: Complexity, size: tuple[int, int]
) -> None:
    title = analysis(lengths, kind)
    hard = 0.0001 if kind.texture == 0 else 30.0
    make = encoder_of(dict.fromkeys(range(len(lengths)), hard), [])
    shape = conform(*size)
    trials = gather(shape, title, POLICY, EFFORTS[effort], make)  # type: ignore[index]
    ladder = decide_ladder(shape, title, POLICY, APPLE, trials)
    assert ladder.rungs
    for rung in ladder.rungs:
        expected = rung.expected
        assert expected is not None
        assert len(rung.crf_per_shot) == len(lengths)
        assert all(14 <= crf <= 44 for crf in rung.crf_per_shot)
        assert expected.average_bitrate > 0
        low, high = expected.average_bitrate_interval.low, expected.average_bitrate_interval.high
        assert 0 <= low <= expected.average_bitrate <= high < math.inf
        assert (
            0 <= expected.vmaf_interval.low <= expected.vmaf <= expected.vmaf_interval.high <= 100
        )
        assert (rung.width, rung.height) <= size
    rates = [rung.expected.average_bitrate for rung in ladder.rungs if rung.expected]
    assert rates == sorted(set(rates), reverse=True)


def test_ten_thousand_shots_get_a_ladder_from_a_few_trials() -> None:
    random = np.random.default_rng(5)
    kinds = [
        Complexity(a, b, c, d, e, tuple(np.sort(detail)[::-1].tolist()))
        for (a, b, c, d, e), detail in zip(
            random.uniform((20, 1, 10, 0, 30), (120, 30, 200, 2, 200), (97, 5)),
            random.uniform(1, 80, (97, 5)),
            strict=True,
        )
    ]
    title = analysis([48] * 10_000, *kinds)
    make = encoder_of(dict.fromkeys(range(10_000), 1.0), [])
    trials = gather(conform(), title, POLICY, EFFORTS["quick"], make)
    assert 0 < len({t.shot for t in trials}) <= EFFORTS["quick"].shots
    ladder = decide_ladder(conform(), title, POLICY, APPLE, trials)
    assert len(ladder.rungs) > 1
    assert len(set(ladder.rungs[0].crf_per_shot)) > 1


def test_another_codec_and_preset_are_less_certain() -> None:
    slower = prior_for(codec_named("h264"), "slower")
    assert (np.diag(slower.covariance) > np.diag(PRIOR.covariance)).all()
    other = prior_for(codec_named("av1"), "8")
    assert other.codec == "av1"
    assert other.crfs[-1] > 50


def test_a_prior_of_other_features_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by an earlier version, which knew of fewer."""
    shipped = Path(str(files("encoder.ladder"))) / "priors" / "h264.npz"
    with np.load(shipped) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["centre"], arrays["spread"] = arrays["centre"][:10], arrays["spread"][:10]
    np.savez(tmp_path / "h264.npz", **arrays)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    with pytest.raises(UsageError, match="10 features, not of 15"):
        load_prior("h264")


def test_a_prior_of_ones_own_is_read_and_a_broken_one_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert load_prior("h264") is not None
    (tmp_path / "h264.npz").write_bytes(b"no archive")
    with pytest.raises(UsageError, match="prior cannot be read"):
        load_prior("h264")
