"""What the encode of a rung tells of every shot, for the decision of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder.encode.chunk import EncodedChunk, FrameScores
from encoder.encode.chunks import Chunk
from encoder.encode.packets import Packets
from encoder.engine.correcting import encoded_together, whole_trials
from encoder.engine.video import EncodedRung, EncodePlan
from encoder.ladder.decide import decide_ladder
from encoder.media.frames import FrameRange
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


def test_shots_that_share_a_chunk_are_encoded_together() -> None:
    found = analysis((40, 5, 30, 60))
    frames = [shot.frames for shot in found.shots]

    def groups(*chunks: Chunk) -> list[list[int]]:
        return encoded_together(EncodePlan(found, conform(), (), (0,), chunks, 50))

    def chunk(start: int, end: int, lead: int = 0, tail: int = 0) -> Chunk:
        return Chunk(0, FrameRange(start, end), (start,), lead=lead, tail=tail)

    ends = [one.end for one in frames]
    assert groups(chunk(0, ends[3])) == [[0, 1, 2, 3]]
    assert groups(chunk(0, ends[0]), chunk(ends[0], ends[2]), chunk(ends[2], ends[3])) == [
        [0],
        [1, 2],
        [3],
    ]
    # A chunk that looks on into the next shot is encoded again with it.
    assert groups(chunk(0, ends[1], tail=6), chunk(ends[1], ends[3], lead=6)) == [[0, 1, 2, 3]]
    # A shot may be of several chunks.
    middle = ends[2] + 30
    assert groups(chunk(0, ends[2]), chunk(ends[2], middle, tail=9), chunk(middle, ends[3])) == [
        [0, 1, 2],
        [3],
    ]
