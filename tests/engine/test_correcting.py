"""What the encode of a rung tells of every shot, for the decision of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder.encode.chunk import EncodedChunk, FrameScores
from encoder.encode.packets import Packets
from encoder.engine.correcting import whole_trials
from encoder.engine.video import EncodedRung
from encoder.ladder.decide import decide_ladder
from tests.ladder.test_evidence import APPLE, POLICY, analysis, conform

LENGTHS = (40, 5, 30)
FRAMES = sum(LENGTHS)


def encoded(every: int) -> EncodedRung:
    """A rung of three shots, every so many frames scored: 90, 60 and 30 in turn."""
    found = analysis(LENGTHS)
    rung = decide_ladder(conform(), found, POLICY, APPLE, ()).rungs[0]
    frame = np.arange(0, FRAMES, every, dtype=np.int32)
    by_shot = np.repeat([90.0, 60.0, 30.0], LENGTHS)
    order = np.arange(FRAMES)
    packets = Packets(order, np.full(FRAMES, 100), (0, 40, 45))
    chunk = EncodedChunk(Path("0.mp4"), packets, None, FrameScores(frame, {"vmaf": by_shot[frame]}))
    return EncodedRung(replace(rung, crf_per_shot=(20.0, 25.0, 30.0)), (), (), (chunk,))


def test_a_shot_of_which_no_frame_was_scored_counts_with_the_mean() -> None:
    found = analysis(LENGTHS)
    all_scored = whole_trials(encoded(1), found, (0, 40, 45))
    assert [t.vmaf for t in all_scored] == [90.0, 60.0, 30.0]
    assert [(t.crf, t.frames, t.key_bits, t.other_bits) for t in all_scored] == [
        (20.0, 40, 800, 39 * 800),
        (25.0, 5, 800, 4 * 800),
        (30.0, 30, 800, 29 * 800),
    ]
    # Frames 0, 9, ..., 36, 45, ...: none of the second shot.
    sampled = whole_trials(encoded(9), found, (0, 40, 45))
    assert [t.vmaf for t in sampled] == [90.0, pytest.approx((40 * 90 + 30 * 30) / 70), 30.0]


def test_what_was_not_measured_tells_nothing() -> None:
    silent = encoded(1)
    chunks = (replace(silent.chunks[0], scores=None),)
    assert whole_trials(replace(silent, chunks=chunks), analysis(LENGTHS), (0, 40, 45)) == ()
