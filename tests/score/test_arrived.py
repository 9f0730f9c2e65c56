"""Whether pictures can tell an offset, where they lag and err as encodes of low rates do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from encoder.errors import MeasureError
from encoder.score.arrived import find_arrival
from encoder.score.frozen import Frozen, find_frozen
from encoder.score.judge import UNTOLD, Verdict, judge
from encoder.score.reading import _confirmed, read_alignment
from encoder.score.sides import y4m_side
from encoder.score.signatures import CELLS, CHROMA, COLUMNS, ROWS, STEP, Signatures

FRAMES = 120
Floats = NDArray[np.float64]


def signatures(luma: Floats) -> Signatures:
    chroma = np.full((len(luma), 2 * CHROMA), 128.0)
    both = np.concatenate([luma.reshape(len(luma), CELLS), chroma], axis=1)
    return np.asarray(np.clip(both, 0, 255) * STEP, np.uint16)


def texture(seed: int, width: int = 4 * COLUMNS) -> Floats:
    """A smooth picture, wider than what is seen of it."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 60, (ROWS, width))
    for _ in range(2):
        found = (found + np.roll(found, 1, 1) + np.roll(found, 1, 0)) / 2
    return found + 110


def pan(speed: float, seed: int = 1) -> Floats:
    wide, columns = texture(seed), np.arange(COLUMNS)
    places = np.arange(FRAMES)[:, None] * speed + columns
    low = places.astype(int)
    part = (places - low)[:, None, :]
    return np.asarray(
        wide[:, low % wide.shape[1]].transpose(1, 0, 2) * (1 - part)
        + wide[:, (low + 1) % wide.shape[1]].transpose(1, 0, 2) * part
    )


def unsteady() -> Floats:
    """Everything moves, by other amounts each time."""
    random = np.random.default_rng(3)
    return np.asarray(128 + np.cumsum(random.normal(0, 1.5, (FRAMES, ROWS, COLUMNS)), axis=0) / 2)


def fade() -> Floats:
    level = np.clip((90 - np.arange(FRAMES)) / 60, 0, 1)[:, None, None]
    return np.asarray(16 + (texture(4, COLUMNS) - 16) * level)


def dissolve() -> Floats:
    share = np.clip((np.arange(FRAMES) - 30) / 40, 0, 1)[:, None, None]
    return np.asarray(pan(0.02, 5) * (1 - share) + pan(0.03, 6) * share)


def still() -> Floats:
    return np.broadcast_to(texture(7, COLUMNS), (FRAMES, ROWS, COLUMNS)).copy()


def encode(luma: Floats, error: float = 2.0, lag: float = 0.5, seed: int = 8) -> Floats:
    """As at low rates: an error that lasts, and parts that change little stay for a while."""
    random = np.random.default_rng(seed)
    shown = luma[0].copy()
    off = random.normal(0, error, luma[0].shape)
    made = []
    for picture in luma:
        renewed = random.random(picture.shape) > lag
        renewed |= np.abs(picture - shown) > 2 * error
        shown = np.where(renewed, picture, shown)
        off = 0.95 * off + random.normal(0, error * 0.3, off.shape)
        made.append(shown + off)
    return np.array(made)


SCENES = {
    "unsteady": unsteady(),
    "pan": pan(0.5),
    "slow pan": pan(0.01),
    "fade": fade(),
    "dissolve": dissolve(),
    "still": still(),
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("error", "lag"), [(0.0, 0.0), (0.3, 0.2), (1.0, 0.5), (3.0, 0.8)])
def test_what_is_as_it_should_be_is_never_taken_for_anything_else(
    scene: str, error: float, lag: float
) -> None:
    luma = SCENES[scene]
    reading = read_alignment(signatures(luma), signatures(encode(luma, error, lag)))
    assert (reading.offset, reading.jumps) == (0, ())


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("error", "lag"), [(0.3, 0.2), (1.0, 0.5), (3.0, 0.8)])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_shift_is_found_or_said_to_be_beyond_telling(
    scene: str, error: float, lag: float, off: int
) -> None:
    luma = SCENES[scene]
    ours, theirs = (luma[:-1], luma[1:]) if off > 0 else (luma[1:], luma[:-1])
    reading = read_alignment(signatures(ours), signatures(encode(theirs, error, lag)))
    assert reading.offset == off or not reading.certain


@pytest.mark.parametrize("off", [-2, -1, 1, 2])
def test_what_lags_tells_by_what_has_not_come_yet(off: int) -> None:
    """At these errors most pictures are likest to older ones than their own."""
    luma = unsteady()
    theirs = encode(luma, error=2.0, lag=0.6)
    ours = signatures(luma[2:-2])
    found = find_arrival(ours, signatures(theirs[2 + off : FRAMES - 2 + off]), 0)
    assert (found.offset, found.certain) == (off, True)
    assert found.possible == {off}
    honest = theirs[2:-2]
    nearer = ((honest - luma[1:-3]) ** 2).mean((1, 2)) < ((honest - luma[2:-2]) ** 2).mean((1, 2))
    assert nearer.mean() > 0.4


@pytest.mark.parametrize("scene", ["still", "slow pan"])
def test_what_does_not_move_enough_cannot_tell(scene: str) -> None:
    luma = SCENES[scene]
    found = find_arrival(signatures(luma), signatures(encode(luma, 3.0, 0.8)), 0)
    assert not found.certain
    assert {-1, 0, 1} <= found.possible


def test_few_frames_of_large_motion_tell() -> None:
    luma = pan(0.9)[:3]
    assert find_arrival(signatures(luma), signatures(luma), 0).certain
    assert not find_arrival(signatures(luma), signatures(luma[[1, 2, 2]]), 0).certain


def judged(ours: Floats, theirs: Floats, *, automatic: bool = True) -> Verdict:
    header = b"YUV4MPEG2 W320 H180 F24:1 Ip A1:1 C420\n"
    sides = [y4m_side(name, Path(name), header) for name in ("ours", "theirs")]
    pictures = signatures(ours), signatures(theirs)
    return judge(sides[0], sides[1], *pictures, automatic=automatic)


def test_what_cannot_be_told_is_no_silent_pass() -> None:
    verdict = judged(still(), encode(still()))
    assert not verdict.certain
    assert "cannot be told" in UNTOLD
    assert "score a longer part" in UNTOLD
    assert judged(unsteady(), encode(unsteady())).certain


def test_the_tail_is_cut_where_the_frames_at_both_ends_tell() -> None:
    luma = unsteady()
    verdict = judged(luma, encode(luma[:-1], 0.2, 0.0))
    assert (verdict.window.reference_start, verdict.window.frames) == (0, FRAMES - 1)


def test_a_tail_is_not_cut_where_a_frame_may_be_missing_elsewhere() -> None:
    """The end moves by less than the errors: the missing frame may be any of those."""
    luma = np.concatenate([unsteady()[:60], unsteady()[60] + (pan(0.02)[:60] - pan(0.02)[0])])
    missing = np.delete(luma, 80, axis=0)
    with pytest.raises(MeasureError, match="nothing tells whether they are missing there"):
        judged(luma, encode(missing, 2.0, 0.5))


def test_the_last_frame_must_be_the_references_own() -> None:
    luma = unsteady()
    missing = np.delete(luma, FRAMES - 2, axis=0)
    with pytest.raises(MeasureError, match="the last of the frames in common is not"):
        judged(luma, encode(missing, 0.1, 0.0))


@pytest.mark.parametrize("scene", [unsteady(), pan(0.3)])
def test_film_made_to_25_pictures_is_told_from_frames_that_are_missing(scene: Floats) -> None:
    at = (np.arange(FRAMES * 25 // 24) * 24 / 25 + 0.5).astype(int)
    with pytest.raises(MeasureError, match="25 pictures for every 24 of the reference's"):
        judged(scene, encode(scene[np.minimum(at, FRAMES - 1)], 0.3, 0.1))
    for gone in ([60, 61, 62, 63, 64], [40, 41, 42, 80, 81]):
        with pytest.raises(MeasureError, match=rf"frames {gone[0]} to \d+ are missing"):
            judged(scene, encode(np.delete(scene, gone, axis=0), 0.3, 0.1))


def test_of_a_still_end_it_is_said_what_is_not_known() -> None:
    luma = np.concatenate([unsteady()[:60], np.repeat(unsteady()[59:60], 60, axis=0)])
    verdict = judged(luma, encode(luma[:-1], 0.3, 0.0))
    assert verdict.window.frames == FRAMES - 1
    assert any("do not move" in note for note in verdict.notes)


def frozen(luma: Floats, *frames: int) -> Floats:
    """Frames that show again the one before them."""
    made = luma.copy()
    for frame in frames:
        made[frame] = luma[frame - 1]
    return made


def test_a_frozen_frame_counts_alone_and_where_the_reference_moves_visibly() -> None:
    luma = unsteady()
    ours = signatures(luma)
    assert find_frozen(ours, signatures(frozen(luma, 50)), 0) == Frozen(50, True)
    # Encoders leave pictures as they were now and then.
    assert find_frozen(ours, signatures(frozen(luma, 50, 80)), 0) is None
    # What the pictures are off by stays, and does not hide what moves; unless it is far more.
    step = float(np.sqrt(((luma[50] - luma[49]) ** 2).mean()))
    off = np.random.default_rng(9).normal(0, 1, luma[0].shape)
    off *= step / float(np.sqrt((off**2).mean()))
    assert find_frozen(ours, signatures(frozen(luma, 50) + off * 1.1), 0) == Frozen(50, True)
    assert find_frozen(ours, signatures(frozen(luma, 50) + off * 3), 0) is None
    # It begins to move, and the encode waits for two frames.
    begins = np.concatenate([np.repeat(luma[:1], 49, axis=0), luma[:71]])
    waits = frozen(frozen(begins, 50), 51)
    assert find_frozen(signatures(begins), signatures(waits), 0) is None
    assert find_frozen(signatures(begins), signatures(frozen(begins, 51)), 0) == Frozen(51, True)
    faint = 128 + (luma - 128) * 0.15
    assert find_frozen(signatures(faint), signatures(frozen(faint, 50)), 0) is None


def test_what_may_be_a_frozen_frame_is_no_silent_pass() -> None:
    """A frame is left as it was, and the encode shows little of another one as well."""
    luma = unsteady()
    errors = np.random.default_rng(5).normal(0, 0.3, luma.shape)

    def shown(share: float) -> Floats:
        made = frozen(luma, 50)
        made[80] = luma[79] + share * (luma[80] - luma[79])
        return made + errors

    sure, doubted = (judged_frame(luma, shown(share)) for share in (1.0, 0.25))
    assert sure == Frozen(50, True)
    assert doubted == Frozen(50, False)
    with pytest.raises(MeasureError, match="Frame 50 is not that of the reference"):
        judged(luma, shown(1.0))
    verdict = judged(luma, shown(0.25))
    assert not verdict.certain
    assert verdict.notes[-1].startswith("frame 50 shows next to nothing of what moves there")
    honest = judged(luma, luma + errors)
    assert (honest.certain, honest.notes) == (True, ())


def judged_frame(ours: Floats, theirs: Floats) -> Frozen | None:
    return find_frozen(signatures(ours), signatures(theirs), 0)


def test_what_leads_far_away_for_long_is_no_moment() -> None:
    luma = unsteady()
    shown = luma[[*range(30), *range(36, 76), *range(70, 114)]]
    jumps = read_alignment(signatures(luma), signatures(shown)).jumps
    assert [(jump.before, jump.after) for jump in jumps] == [(0, 6), (6, 0)]


def test_pictures_must_agree_on_a_jump() -> None:
    """A late scroll of a still screen: one picture is nearer to later ones, the next is not."""
    pattern = np.where(np.arange(CELLS) % 2, 1.0, -1.0).reshape(ROWS, COLUMNS)
    true = np.array([0.0] * 10 + [10, 20, 30] + [40] * 10)
    shown = np.array([0.0] * 10 + [26, 28, 36.5] + [40] * 7)
    ours, theirs = (signatures(128 + one[:, None, None] * pattern) for one in (true, shown))
    offsets = np.array([0] * 10 + [3] * 10)
    assert not _confirmed(ours, theirs, offsets).any()
    shown[11] = 37
    theirs = signatures(128 + shown[:, None, None] * pattern)
    assert _confirmed(ours, theirs, offsets).tolist() == offsets.tolist()
