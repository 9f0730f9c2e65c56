"""Chunks tile a title, and do not depend on the machine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.codecs import CrfZone
from encoder.encode.chunks import chunk_rung, crf_zones, plan_chunks
from encoder.media.colour import Colour
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung

RATE = Fraction(24)
CONFORM = Conform(
    stream_index=0,
    input_options=(),
    filters=(),
    width=640,
    height=360,
    frame_rate=RATE,
    colour=Colour("bt709", "bt709", "bt709", "limited"),
    pixel_format="yuv420p",
    audio_offset=Fraction(0),
    tone_mapped=False,
    changes=(),
)


def shots_of(lengths: list[int]) -> list[FrameRange]:
    edges = [0]
    for length in lengths:
        edges.append(edges[-1] + length)
    return [FrameRange(a, b) for a, b in pairwise(edges)]


def rung(crfs: tuple[float, ...], codec: str = "h264") -> Rung:
    return Rung("r", codec, 640, 360, "medium", crfs, None, 9_000_000, 9_000_000, None, "")


@given(st.lists(st.integers(3, 240), min_size=1, max_size=40), st.sampled_from(["h264", "av1"]))
def test_chunks_tile_the_title_in_whole_shots(lengths: list[int], codec: str) -> None:
    shots = shots_of(lengths)
    starts = [shot.start for shot in shots]
    crfs = tuple(20.0 + n % 2 for n in range(len(shots)))
    chunks = plan_chunks(shots, starts, [rung(crfs, codec)], RATE)
    assert [one.number for one in chunks] == list(range(len(chunks)))
    assert chunks[0].frames.start == 0
    assert chunks[-1].frames.end == shots[-1].end
    assert all(a.frames.end == b.frames.start for a, b in pairwise(chunks))
    assert [frame for one in chunks for frame in one.keyframes] == starts
    assert all(one.local_keyframes[0] == 0 for one in chunks)
    # Ten seconds of the longest shot, and what came before it.
    assert all(len(one.frames) <= 120 + 240 + 60 for one in chunks)
    if codec == "av1":
        assert len(chunks) == len(shots)
    else:
        assert all(len(one.frames) >= 60 for one in chunks[:-1])


def test_a_take_is_divided_when_it_is_long() -> None:
    # Five cuts at which nobody sees a seam, then a take of a minute in parts of ten seconds.
    shots = shots_of([120] * 5 + [240] * 6)
    starts = [shot.start for shot in shots]
    chunks = plan_chunks(shots, starts, [rung((24.0,) * 11)], RATE, set(starts[6:]))
    assert [len(one.frames) for one in chunks] == [120, 120, 120, 120, 120, 720, 720]
    # What is on the other side of the seam is shown to the encoder.
    assert [(one.lead, one.tail) for one in chunks] == [(0, 0)] * 5 + [(0, 48), (240, 0)]
    assert chunks[5].coded_keyframes == (0, 240, 480, 720)
    assert chunks[6].coded_keyframes == (0, 240, 480, 720)
    assert chunks[6].without_lead().coded == chunks[6].frames
    asked = chunk_rung(rung((24.0,) * 8 + (25.0,) * 3), chunks[5], shots, CONFORM, 48)
    assert [zone.frames for zone in asked.settings.zones] == []
    asked = chunk_rung(
        rung((24.0,) * 9 + (25.0, 26.0)), replace(chunks[6], tail=0), shots, CONFORM, 48
    )
    assert asked.settings.zones == (
        CrfZone(FrameRange(0, 480), 24.0),
        CrfZone(FrameRange(480, 720), 25.0),
        CrfZone(FrameRange(720, 960), 26.0),
    )


def test_an_encode_without_zones_is_cut_where_its_crf_changes() -> None:
    shots = shots_of([48, 48, 48, 48])
    chunks = plan_chunks(shots, [0, 48, 96, 144], [rung((30, 30, 31, 31), "av1")], RATE)
    assert [one.frames for one in chunks] == [FrameRange(0, 96), FrameRange(96, 192)]
    (whole,) = plan_chunks(shots, [0, 48, 96, 144], [rung((30, 30, 31, 31))], RATE)
    assert whole.frames == FrameRange(0, 192)


def test_a_bitrate_is_for_the_whole_title() -> None:
    shots = shots_of([240] * 10)
    fixed = replace(rung(()), target_bitrate=1_000_000)
    (chunk,) = plan_chunks(shots, [shot.start for shot in shots], [fixed], RATE)
    assert chunk.frames == FrameRange(0, 2400)
    asked = chunk_rung(fixed, chunk, shots, CONFORM, 48)
    assert (asked.settings.crf, asked.settings.bitrate) == (None, 1_000_000)


def test_a_chunk_has_the_crfs_of_its_shots() -> None:
    shots = shots_of([100, 100, 40, 100, 100, 100])
    crfs = (20.0, 20.0, 23.0, 24.0, 25.0, 25.0)
    chunks = plan_chunks(shots, [shot.start for shot in shots], [rung(crfs)], RATE)
    assert [one.frames for one in chunks] == [
        FrameRange(0, 200),
        FrameRange(200, 340),
        FrameRange(340, 540),
    ]
    first, second, third = (chunk_rung(rung(crfs), one, shots, CONFORM, 48) for one in chunks)
    assert (first.settings.crf, first.settings.zones) == (20.0, ())
    assert second.settings.zones == (
        CrfZone(FrameRange(0, 40), 23.0),
        CrfZone(FrameRange(40, 140), 24.0),
    )
    assert (third.settings.crf, third.settings.zones) == (25.0, ())


def test_equal_neighbours_are_one_zone() -> None:
    shots = [FrameRange(0, 4), FrameRange(4, 9), FrameRange(9, 12)]
    assert crf_zones((20.0, 20.0, 21.5), shots) == (
        CrfZone(FrameRange(0, 9), 20.0),
        CrfZone(FrameRange(9, 12), 21.5),
    )
    with pytest.raises(ValueError, match="zip"):
        crf_zones((20.0,), shots)
