"""What low rates do to pictures is no proof of frames that are dropped or repeated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from encoder.score.frozen import Frozen, find_frozen
from encoder.score.proof import belong, is_likelier, proven
from encoder.score.reading import read_alignment
from encoder.score.signatures import CELLS, CHROMA, STEP, Signatures

FRAMES = 48
Floats = NDArray[np.float64]


def signatures(luma: Floats) -> Signatures:
    chroma = np.full((len(luma), 2 * CHROMA), 128.0)
    return np.asarray(np.clip(np.concatenate([luma, chroma], axis=1), 0, 255) * STEP, np.uint16)


def moving(step: float, seed: int = 1) -> Floats:
    """Pictures of which each differs from the one before by so much, each time otherwise."""
    random = np.random.default_rng(seed)
    return 128 + np.cumsum(random.normal(0, step, (FRAMES, CELLS)), axis=0)


def lagging(luma: Floats, lag: float, error: float, seed: int = 2) -> Floats:
    """Of each picture a share is that of the one before, and an error stays for all."""
    random = np.random.default_rng(seed)
    shown = luma.copy()
    shown[1:] += lag * (luma[:-1] - luma[1:])
    return shown + random.normal(0, error, luma.shape[1])


@pytest.mark.parametrize(("lag", "error"), [(0.0, 0.5), (0.3, 2.0), (0.45, 3.0)])
def test_lag_is_no_older_offset_and_hides_no_other(lag: float, error: float) -> None:
    luma = moving(2.0)
    ours, theirs = signatures(luma), signatures(lagging(luma, lag, error))
    every = range(FRAMES)
    assert belong(ours, theirs, every, 0, 1)
    assert belong(ours, theirs, every, 0, -1)
    assert not belong(ours, theirs, every, -1, 0)
    assert not belong(ours, theirs, every, 1, 0)
    late, early = signatures(lagging(luma[:-1], lag, error)), signatures(luma[1:])
    assert belong(early, late, range(FRAMES - 1), -1, 0)
    assert not belong(early, late, range(FRAMES - 1), 0, -1)


def test_a_jump_needs_both_sides_to_be_clear() -> None:
    luma = moving(2.0)
    ours = signatures(luma)
    dropped = signatures(lagging(np.delete(luma, 24, axis=0), 0.3, 1.0))
    frames = np.arange(FRAMES - 1)
    jump = np.where(frames < 24, 0, 1)
    assert proven(ours, dropped, frames, jump).tolist() == jump.tolist()
    # The same path, where the file has all frames.
    whole = signatures(lagging(luma, 0.3, 1.0)[:-1])
    assert not proven(ours, whole, frames, jump).any()
    assert not proven(ours, whole, frames, np.where(frames < 30, -2, 0)).any()


def test_pictures_that_stay_as_they_were_are_not_older_ones() -> None:
    """They are those of a still part, but show nothing of what moved there or here."""
    luma = moving(1.5)
    luma[8:20] = luma[8]
    ours = signatures(luma)
    shown = luma.copy()
    shown[36:] = luma[36] + 0.2 * (luma[36:] - luma[36])
    theirs = signatures(shown)
    assert not belong(ours, theirs, range(36, FRAMES), -20, 0)
    assert read_alignment(ours, theirs).jumps == ()


def test_what_waits_where_a_movement_begins_is_not_repeated() -> None:
    """After black a picture fades in, and the encode is late by some frames."""
    level = np.clip(np.arange(FRAMES, dtype=np.float64) - 24, 0, None)[:, None]
    luma = 16 + level * np.abs(np.random.default_rng(3).normal(1, 0.5, CELLS))
    luma[:8] = moving(2.0)[:8]
    ours = signatures(luma)
    for late in (3, 6, 10):
        at = np.arange(FRAMES)
        theirs = signatures(luma[np.where(at < 8, at, np.maximum(at - late, 8))])
        offsets = np.where(at < 20, 0, -late)
        assert not proven(ours, theirs, np.arange(FRAMES), offsets).any()
    # A frame alone: where the picture moved before, it is one that was dropped.
    luma = moving(2.0)
    luma[8:25] = luma[24]
    ours = signatures(luma)
    for start in (24, 34):
        waits = lagging(luma, 0.2, 0.3)
        waits[start + 1] = luma[start] + 0.2 * (luma[start + 1] - luma[start])
        found = find_frozen(ours, signatures(waits), 0)
        assert found == (None if start == 24 else Frozen(start + 1, True))


def test_a_frozen_frame_is_followed_by_what_was_missing() -> None:
    luma = moving(2.0)
    shown = luma.copy()
    shown[24] = luma[23]
    ours = signatures(luma)
    assert find_frozen(ours, signatures(shown), 0) == Frozen(24, True)
    # From there on the file hardly moves: it is left as it was, not repeated.
    shown[24:] = luma[23] + 0.1 * (luma[24:] - luma[23])
    assert find_frozen(ours, signatures(shown), 0) is None


def test_slow_motion_within_the_errors_is_not_called_late() -> None:
    luma = moving(0.1)
    late, early = signatures(lagging(luma[:-1], 0.0, 0.3)), signatures(luma[1:])
    assert not is_likelier(early, late, range(FRAMES - 1), -1, 0)
    plain = moving(2.0)
    late, early = signatures(lagging(plain[:-1], 0.0, 0.3)), signatures(plain[1:])
    assert is_likelier(early, late, range(FRAMES - 1), -1, 0)
    # Without a frame in both, nothing speaks against it.
    assert is_likelier(early[:20], late, range(20), -30, 0)
