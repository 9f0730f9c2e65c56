"""Loudness is measured as the EBU has it, and reached where it is wanted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from encoder.media.policy import AudioPolicy

from .sounds import (
    level,
    samples,
    surround,
    title,
    tone,
    with_sound,
)


def stereo_sine(amplitude: float) -> str:
    return surround(tone(amplitude), tone(amplitude), layout="stereo")


def test_loudness_is_the_ebus(tmp_path: Path) -> None:
    # EBU Tech 3341, test 1: a stereo sine of 1 kHz peaking at -23 dBFS has -23 LUFS.
    path = with_sound(tmp_path / "a.mkv", stereo_sine(10 ** (-23 / 20)))
    (rendition,) = title(path).encode(tmp_path)
    assert rendition.loudness.integrated == pytest.approx(-23, abs=0.1)
    assert rendition.loudness.true_peak == pytest.approx(-23, abs=0.1)
    assert rendition.loudness.range == pytest.approx(0, abs=0.1)
    assert rendition.gain == 0


@pytest.mark.parametrize("source", [-40, -23, -10])
def test_loudness_reaches_the_target(tmp_path: Path, source: float) -> None:
    path = with_sound(tmp_path / "a.mkv", stereo_sine(10 ** (source / 20)))
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=-16))
    assert rendition.loudness.integrated == pytest.approx(source, abs=0.1)
    assert rendition.gain == pytest.approx(-16 - source, abs=0.1)
    heard = 20 * math.log10(level(samples(rendition.path)[0]))
    assert heard == pytest.approx(-16, abs=0.5)


def test_the_true_peak_limits_the_gain(tmp_path: Path) -> None:
    # Quiet but for one burst: the target would take it far over full scale.
    burst = "(0.01+0.69*between(t,3,3.02))*sin(2*PI*997*t)"
    path = with_sound(tmp_path / "a.mkv", surround(burst, burst, layout="stereo"))
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=-8, true_peak=-2))
    assert rendition.loudness.true_peak is not None
    assert rendition.gain == pytest.approx(-2 - rendition.loudness.true_peak, abs=0.02)
    assert rendition.loudness.integrated is not None
    assert rendition.loudness.integrated + rendition.gain < -9
    assert 20 * math.log10(np.abs(samples(rendition.path)).max()) < -1


@pytest.mark.parametrize("loudness", [None, -16.0])
def test_silence_has_no_loudness(tmp_path: Path, loudness: float | None) -> None:
    path = with_sound(tmp_path / "a.mkv", "anullsrc=r=48000:cl=stereo,atrim=duration=4")
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=loudness))
    assert rendition.loudness.integrated is None
    assert rendition.loudness.range is None
    assert rendition.loudness.true_peak is None
    assert rendition.gain == 0
    assert not samples(rendition.path).any()
