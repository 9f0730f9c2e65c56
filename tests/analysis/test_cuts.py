"""Whatever the evidence, the shots tile the title and keep to their lengths."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encoder.analysis.changes import ChangeDetector, Changes
from encoder.analysis.cuts import find_boundaries, tile
from encoder.analysis.settings import AnalysisSettings

rates = st.sampled_from([Fraction(1, 2), Fraction(5), Fraction(24000, 1001), Fraction(60)])
seconds = st.fractions(Fraction(1, 50), Fraction(20), max_denominator=50)


@st.composite
def settings(draw: st.DrawFn) -> AnalysisSettings:
    least = draw(st.fractions(Fraction(1, 50), Fraction(2), max_denominator=50))
    return AnalysisSettings(min_shot_seconds=least, max_shot_seconds=max(2 * least, draw(seconds)))


@st.composite
def evidence(draw: st.DrawFn) -> Changes:
    frames = draw(st.integers(1, 200))
    shares = st.one_of(st.just(0.0), st.floats(0, 1, width=32))

    def signal() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return draw(arrays(np.float32, frames, elements=shares))

    return Changes(signal(), draw(arrays(np.bool_, frames)), signal(), signal())


@given(evidence(), rates, settings())
def test_shots_tile_the_title_within_their_lengths(
    changes: Changes, rate: Fraction, chosen: AnalysisSettings
) -> None:
    frames = len(changes)
    least, most = chosen.min_shot_frames(rate), chosen.max_shot_frames(rate)
    boundaries = find_boundaries(changes, rate, chosen)
    pieces = tile(frames, boundaries, most)
    assert pieces[0].frames.start == 0
    assert pieces[-1].frames.end == frames
    assert all(a.frames.end == b.frames.start for a, b in pairwise(pieces))
    lengths = [len(piece.frames) for piece in pieces]
    assert max(lengths) <= most
    assert min(lengths) >= min(least, frames)
    assert {p.frames.start for p in pieces if p.cut} == {0, *boundaries}


@given(evidence(), rates, settings())
def test_the_clearest_cut_counts(
    changes: Changes, rate: Fraction, chosen: AnalysisSettings
) -> None:
    least = chosen.min_shot_frames(rate)
    boundaries = find_boundaries(changes, rate, chosen)
    inside = changes.cut[least : len(changes) - least + 1]
    if len(inside) and inside.max() >= chosen.cut:
        assert least + int(np.argmax(inside)) in boundaries


def silence(frames: int) -> Changes:
    nothing = np.zeros(frames, np.float32)
    return Changes(nothing.copy(), np.zeros(frames, np.bool_), nothing.copy(), nothing.copy())


RATE, SETTINGS = Fraction(24), AnalysisSettings()


def test_a_fade_through_black_gives_one_boundary_after_it() -> None:
    changes = silence(200)
    changes.empty[90:100] = True
    changes.through[100] = 0.9
    assert find_boundaries(changes, RATE, SETTINGS) == (100,)


def test_a_cut_to_black_and_a_fade_in_need_no_more() -> None:
    changes = silence(200)
    changes.cut[90] = 0.9
    changes.empty[90:100] = True
    changes.through[100] = 0.9
    assert find_boundaries(changes, RATE, SETTINGS) == (90,)


def test_a_second_of_black_is_a_shot() -> None:
    changes = silence(300)
    changes.empty[:30] = changes.empty[100:130] = changes.empty[260:] = True
    changes.cut[100] = 0.9
    changes.through[[30, 130, 260]] = 1
    assert find_boundaries(changes, RATE, SETTINGS) == (30, 100, 130, 260)


def test_black_that_hides_no_change_is_none() -> None:
    changes = silence(200)
    changes.empty[90:93] = True
    changes.through[93] = 0.1
    assert find_boundaries(changes, RATE, SETTINGS) == ()


def test_a_dissolve_gives_its_middle() -> None:
    changes = silence(200)
    changes.dissolve[[91, 92, 95, 96, 97, 99]] = 0.7
    assert find_boundaries(changes, RATE, SETTINGS) == (95,)


def test_a_cut_beside_a_dissolve_is_enough() -> None:
    changes = silence(200)
    changes.dissolve[91:99] = 0.7
    changes.cut[110] = 0.5
    assert find_boundaries(changes, RATE, SETTINGS) == (110,)


def test_long_shots_are_split_evenly() -> None:
    pieces = tile(100, (10,), 24)
    assert [len(p.frames) for p in pieces] == [10, 22, 23, 22, 23]
    assert [p.cut for p in pieces] == [True, True, False, False, False]


@pytest.mark.parametrize("boundaries", [(0,), (30,), (20, 10)])
def test_boundaries_must_be_inside_and_in_order(boundaries: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="boundaries"):
        tile(30, boundaries, 24)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_shot_seconds": Fraction(1, 10)},
        {"min_shot_seconds": Fraction(0)},
        {"picture_pixels": 100},
        {"sample_seconds": Fraction(0)},
        {"cut": 0.0},
        {"transition": 1.5},
        {"cut_over_motion": -1.0},
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|nothing|between"):
        AnalysisSettings(**changes)  # type: ignore[arg-type]


# Sequences of small thumbnails with everything in them: rest, motion, cuts, black, mixtures.
@st.composite
def sequences(draw: st.DrawFn) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (3, 6, 8)
    parts: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    picture = random.uniform(16, 235, shape)
    for kind in draw(st.lists(st.sampled_from("scdbfw"), min_size=1, max_size=8)):
        length = int(random.integers(1, 40))
        steps = np.arange(1, length + 1)[:, None, None, None] / length
        if kind == "c":
            picture = random.uniform(16, 235, shape)
        if kind == "d":
            other = random.uniform(16, 235, shape)
            parts.append(picture + (other - picture) * steps)
            picture = other
            continue
        if kind == "f":
            parts.append(picture * (1 - steps))
            continue
        level = {"b": 16.0, "w": 235.0}.get(kind)
        still = np.broadcast_to(picture, (length, *shape))
        moving = still + random.normal(0, 1, (length, *shape))
        parts.append(moving if level is None else np.full((length, *shape), level))
    return np.clip(np.concatenate(parts), 0, 255).astype(np.float32)


def gather(
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.float32]], sizes: list[int], rate: Fraction
) -> Changes:
    detector = ChangeDetector(rate, SETTINGS)
    at = turn = 0
    while at < len(pictures):
        size = sizes[turn % len(sizes)]
        detector.add(pictures[at : at + size])
        at, turn = at + size, turn + 1
    return detector.finish()


@given(
    sequences(),
    st.lists(st.integers(1, 70), min_size=1, max_size=5),
    st.sampled_from([Fraction(5), Fraction(24)]),
)
def test_the_evidence_does_not_depend_on_how_frames_arrive(
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.float32]], sizes: list[int], rate: Fraction
) -> None:
    whole, parts = gather(pictures, [len(pictures)], rate), gather(pictures, sizes, rate)
    assert len(whole) == len(parts) == len(pictures)
    for name in ("cut", "empty", "through", "dissolve"):
        one, other = getattr(whole, name), getattr(parts, name)
        assert np.isfinite(one).all()
        assert one == pytest.approx(other, abs=1e-6), name


def test_no_frames_give_no_evidence() -> None:
    assert len(ChangeDetector(RATE, SETTINGS).finish()) == 0
