"""Channels of every layout, in stereo and 5.1."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder.encode.audio import encode_audio
from encoder.ffmpeg.locate import locate
from encoder.media.policy import AudioPolicy

from .sounds import (
    MINUS_3_DB,
    SINE,
    channel_layout,
    level,
    samples,
    surround,
    title,
    tone,
    with_sound,
)


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)"])
@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [
        (0, 1, 0),
        (1, 0, 1),
        (2, MINUS_3_DB, MINUS_3_DB),
        (3, 0, 0),
        (4, MINUS_3_DB, 0),
        (5, 0, MINUS_3_DB),
    ],
    ids=["front left", "front right", "centre", "lfe", "surround left", "surround right"],
)
def test_each_channel_of_5_1(
    tmp_path: Path, layout: str, channel: int, left: float, right: float
) -> None:
    amplitude, frequency = 0.25, 60 if channel == 3 else 997
    levels = [tone(amplitude, frequency) if index == channel else "0" for index in range(6)]
    path = with_sound(tmp_path / "a.mkv", surround(*levels, layout=layout))
    stereo, multi = title(path).encode(tmp_path)
    heard = samples(stereo.path)
    assert level(heard[0]) == pytest.approx(amplitude * left, abs=0.004)
    assert level(heard[1]) == pytest.approx(amplitude * right, abs=0.004)
    assert (stereo.channels, multi.channels) == (2, 6)
    assert channel_layout(multi.path) == "5.1"
    for index, sound in enumerate(samples(multi.path)):
        expected = amplitude if index == channel else 0
        assert level(sound) == pytest.approx(expected, abs=0.004)


def test_7_1_becomes_5_1(tmp_path: Path) -> None:
    levels = [tone(0.1 + index / 50, 400 + 150 * index) for index in range(8)]
    path = with_sound(tmp_path / "a.mkv", surround(*levels, layout="7.1"))
    stereo, multi = title(path).encode(tmp_path)
    heard = samples(multi.path)

    def power(*amplitudes: float) -> float:
        return math.sqrt(sum(a * a for a in amplitudes))

    amplitudes = [0.1 + index / 50 for index in range(8)]
    assert level(heard[0]) == pytest.approx(amplitudes[0], rel=0.05)
    assert level(heard[2]) == pytest.approx(amplitudes[2], rel=0.05)
    rear_left = power(amplitudes[4] * MINUS_3_DB, amplitudes[6] * MINUS_3_DB)
    assert level(heard[4]) == pytest.approx(rear_left, rel=0.05)
    left = power(amplitudes[0], *(amplitudes[i] * MINUS_3_DB for i in (2, 4, 6)))
    assert level(samples(stereo.path)[0]) == pytest.approx(left, rel=0.05)
    assert stereo.source == multi.source


def test_mono_goes_to_both_at_full_level(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", f"{SINE},aformat=channel_layouts=mono")
    (stereo,) = title(path).encode(tmp_path)
    assert [level(c) for c in samples(stereo.path)] == pytest.approx([0.2, 0.2], abs=0.003)


def test_without_surround(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.1)] * 6))
    renditions = title(path).encode(tmp_path, AudioPolicy(surround=False))
    assert [one.channels for one in renditions] == [2]


def test_a_mix_does_not_clip(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.9)] * 6))
    stereo, multi = title(path).encode(tmp_path)
    overshoot = 20 * math.log10(0.9 * (1 + 2 * MINUS_3_DB))
    assert stereo.loudness.true_peak == pytest.approx(overshoot, abs=0.05)
    assert stereo.gain == pytest.approx(-1.5 - overshoot, abs=0.05)
    # The encoder itself overshoots by most of a decibel, which is what the margin is for.
    assert np.abs(samples(stereo.path)).max() < 1
    # What is not mixed is not touched.
    assert multi.gain == 0
    assert level(samples(multi.path)[0]) == pytest.approx(0.9, abs=0.02)


def test_a_mix_within_full_scale_is_not_turned_down(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.4)] * 6))
    stereo, _ = title(path).encode(tmp_path)
    assert stereo.gain == 0
    assert level(samples(stereo.path)[0]) == pytest.approx(0.4 * (1 + 2 * MINUS_3_DB), abs=0.02)


def test_channels_of_unknown_meaning(tmp_path: Path) -> None:
    levels = [tone(0.1), tone(0.2), tone(0.3), tone(0.3)]
    made = title(with_sound(tmp_path / "a.mkv", surround(*levels, layout="quad")))
    unknown = replace(made.master.audio[0], layout="4 channels")
    said: list[str] = []
    (stereo,) = encode_audio(
        locate(),
        replace(made.master, audio=(unknown,)),
        made.conform,
        made.duration,
        AudioPolicy(),
        tmp_path,
        on_warning=said.append,
    )
    assert [level(c) for c in samples(stereo.path)] == pytest.approx([0.1, 0.2], abs=0.005)
    assert len(said) == 1
    assert "4 channels of unknown meaning" in said[0]
