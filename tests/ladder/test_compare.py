"""Two ladders side by side, checked against the package bjontegaard and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from bjontegaard import bd_psnr as published_bd_psnr  # type: ignore[import-untyped]
from bjontegaard import bd_rate as published_bd_rate
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from encoder.cli.comparison_table import print_comparison
from encoder.ladder.compare import compare_ladders
from encoder.ladder.read_audience import DEFAULT_AUDIENCE, load_audience
from encoder.media.audience import Audience
from encoder.media.comparison import Comparison, Conditions, MeasuredLadder, MeasuredRung

CONDITIONS = Conditions(
    "h264", "medium", "CRF with VBV", "vmaf_v0.6.1", 1280, 720, Fraction(24000, 1001)
)
WORLD = load_audience(DEFAULT_AUDIENCE)
MINUTE = Fraction(60)

Points = tuple[tuple[float, float], ...]

# The worked example of the package bjontegaard (README): libx265 at two presets, kbit/s and dB,
# PCHIP; here its PSNR stands for each of the metrics.
ANCHOR = ((9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851))
TEST = ((9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987))


def ladder_of(points: Points, name: str = "a") -> MeasuredLadder:
    """Rungs of bitrates and VMAFs; PSNR and SSIM rise with the VMAF."""
    rungs = tuple(
        MeasuredRung(1280, 720, round(rate), vmaf, vmaf, vmaf / 100) for rate, vmaf in points
    )
    return MeasuredLadder(name, CONDITIONS, rungs)


def compared(
    ours: Points,
    reference: Points,
    audience: Audience | None = WORLD,
) -> Comparison:
    return compare_ladders(
        ladder_of(ours, "ours"), ladder_of(reference, "theirs"), audience, MINUTE, 95.0, 128_000
    )


@st.composite
def curves(draw: st.DrawFn) -> Points:
    """Two to eight points, dearer and better from one to the next, as encodes are."""
    rate, quality = draw(st.integers(100_000, 1_000_000)), draw(st.floats(20, 50))
    points = []
    for _ in range(draw(st.integers(2, 8))):
        points.append((float(rate), quality))
        rate = round(rate * draw(st.floats(1.1, 3)))
        quality += draw(st.floats(0.5, 6))
    return tuple(points)


def in_bits(points: Points) -> Points:
    return tuple((rate * 1000, quality) for rate, quality in points)


def test_published_example_for_every_metric() -> None:
    found = compared(in_bits(TEST), in_bits(ANCHOR)).bd_rate
    for value in (found.vmaf, found.psnr_y, found.ssim):
        assert value == pytest.approx(-4.4175, abs=5e-4)


@given(curves(), curves())
def test_means_agree_with_the_package_and_with_the_curves(ours: Points, reference: Points) -> None:
    found = compared(ours, reference)
    rates = [np.array([rate for rate, _ in curve]) for curve in (ours, reference)]
    scores = [np.array([score for _, score in curve]) for curve in (ours, reference)]
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    if found.bd_rate.vmaf is not None:
        theirs = published_bd_rate(rates[1], scores[1], rates[0], scores[0], **options)
        assert found.bd_rate.vmaf == pytest.approx(theirs, rel=1e-6, abs=1e-6)
    low, high = max(s[0] for s in scores), min(s[-1] for s in scores)
    assert (found.equal_quality is None) == (high <= low)
    if found.equal_quality is not None:
        at = np.linspace(low, high, 20_001)
        sums = [
            float(np.exp(PchipInterpolator(s, np.log(r))(at)).mean())
            for r, s in zip(rates, scores, strict=True)
        ]
        assert found.equal_quality.ours == pytest.approx(sums[0], rel=1e-3)
        assert found.equal_quality.reference == pytest.approx(sums[1], rel=1e-3)
    low, high = max(r[0] for r in rates), min(r[-1] for r in rates)
    assert (found.equal_bits is None) == (high <= low)
    if found.equal_bits is not None and high > low * 1.001:
        theirs = published_bd_psnr(rates[1], scores[1], rates[0], scores[0], **options)
        assert found.equal_bits.difference == pytest.approx(theirs, rel=1e-6, abs=1e-6)


@given(curves())
def test_a_ladder_against_itself_differs_in_nothing(
    points: Points,
) -> None:
    found = compared(points, points)
    assert found.bd_rate.vmaf == pytest.approx(0, abs=1e-9)
    assert found.equal_quality is not None
    assert found.equal_quality.change == 0
    assert found.equal_bits is not None
    assert found.equal_bits.difference == 0
    assert found.storage_change == 0
    assert found.delivered_bits_change == 0
    assert found.delivered_vmaf_difference == 0
    assert all(at.change == 0 for at in found.at_quality)
    assert all(at.difference == 0 for at in found.at_bitrate)


def test_half_the_bits_at_every_quality() -> None:
    reference = ((6e6, 95.0), (3e6, 85.0), (1e6, 65.0), (4e5, 40.0))
    ours = tuple((rate / 2, vmaf) for rate, vmaf in reference)
    found = compared(ours, reference)
    assert found.bd_rate.vmaf == pytest.approx(-50)
    assert found.equal_quality is not None
    assert (found.equal_quality.low, found.equal_quality.high) == (40, 95)
    assert found.equal_quality.change == pytest.approx(-50, abs=1e-3)
    assert {at.vmaf: at.change for at in found.at_quality} == pytest.approx(
        dict.fromkeys((40.0, 60.0, 70.0, 80.0, 85.0, 90.0, 93.0, 95.0), -50), abs=1e-3
    )
    assert found.storage_change == pytest.approx(-50)
    assert found.ours.storage == (3_000_000 + 1_500_000 + 500_000 + 200_000) * 60 // 8
    by_rate = {at.bitrate: at for at in found.at_bitrate}
    assert by_rate[4_000_000].ours is None
    assert by_rate[4_000_000].difference is None
    assert by_rate[4_000_000].reference is not None
    assert by_rate[500_000].ours == pytest.approx(65)
    assert 8_000_000 not in by_rate
    assert found.delivered_bits_change is not None
    assert found.delivered_bits_change < -30
    assert found.delivered_vmaf_difference is not None
    assert found.delivered_vmaf_difference > 0


def test_bits_above_visible_quality_count_for_the_audience_only() -> None:
    plain = ((3e6, 95.0), (1e6, 75.0), (4e5, 50.0))
    found = compared(plain, ((9e6, 99.0), *plain))
    # The curves differ in the slope towards the rung above only.
    assert found.bd_rate.vmaf == pytest.approx(0, abs=5)
    assert found.delivered_bits_change is not None
    assert found.delivered_bits_change < -30
    assert found.delivered_vmaf_difference == pytest.approx(0)


def test_a_rung_not_worth_its_bits_is_on_no_curve_but_is_stored() -> None:
    plain = ((3e6, 95.0), (1e6, 75.0), (4e5, 50.0))
    wasteful = (*plain, (2e6, 70.0))
    found = compared(plain, wasteful)
    assert found.bd_rate.vmaf == pytest.approx(0, abs=1e-9)
    assert found.equal_quality is not None
    assert found.equal_quality.change == 0
    assert found.storage_change == pytest.approx(-2 / 6.4 * 100)
    assert [rung.bitrate for rung in found.reference.rungs] == [
        3_000_000,
        2_000_000,
        1_000_000,
        400_000,
    ]


def test_no_figure_where_none_is_honest() -> None:
    found = compared(((1e6, 30.0), (2e5, 10.0)), ((9e6, 95.0), (2e6, 60.0)), None)
    assert found.bd_rate.vmaf is None
    assert found.equal_quality is None
    assert found.equal_bits is None
    assert all(at.change is None for at in found.at_quality)
    assert found.audience is None
    assert found.ours.delivery is None
    assert found.delivered_bits_change is None
    assert found.delivered_vmaf_difference is None


def test_ladders_of_one_rung() -> None:
    found = compared(((1e6, 80.0),), ((1e6, 70.0),))
    assert found.bd_rate.vmaf is None
    assert [(at.vmaf, at.ours, at.reference) for at in found.at_quality] == [
        (70.0, None, 1_000_000),
        (80.0, 1_000_000, None),
    ]
    assert [(at.bitrate, at.difference) for at in found.at_bitrate] == [(1_000_000, 10.0)]


@pytest.mark.parametrize("value", [None, math.inf, math.nan])
def test_a_metric_that_a_rung_lacks_gives_no_figure(value: float | None) -> None:
    ours, reference = ladder_of(in_bits(TEST)), ladder_of(in_bits(ANCHOR))
    lacking = replace(ours.rungs[0], psnr_y=value)
    ours = replace(ours, rungs=(lacking, *ours.rungs[1:]))
    found = compare_ladders(ours, reference, None, MINUTE, 95.0, 0)
    assert found.bd_rate.psnr_y is None
    assert found.bd_rate.vmaf is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("codec", "av1"),
        ("preset", "slow"),
        ("rate_control", "ABR"),
        ("width", 8),
        ("frame_rate", Fraction(24)),
    ],
)
def test_what_was_not_measured_alike_is_not_compared(field: str, value: object) -> None:
    ours = ladder_of(in_bits(TEST))
    other = replace(CONDITIONS, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alike"):
        compare_ladders(ours, replace(ours, conditions=other), None, MINUTE, 95.0, 0)


@pytest.mark.parametrize(
    "points", [(), ((0.0, 50.0),), ((-5.0, 50.0),), ((1e6, math.nan), (1e5, 20.0))]
)
def test_what_is_no_ladder_is_refused(points: Points) -> None:
    good = in_bits(ANCHOR)
    for ours, reference in ((points, good), (good, points)):
        with pytest.raises(ValueError, match=r"rung|rate"):
            compared(ours, reference)
    with pytest.raises(ValueError, match="duration"):
        compare_ladders(ladder_of(good), ladder_of(good), None, Fraction(0), 95.0, 0)


def test_the_table_says_it_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    reference = ((6e6, 95.0), (3e6, 85.0), (1e6, 65.0), (4e5, 40.0))
    print_comparison(compared(tuple((rate / 2, vmaf) for rate, vmaf in reference), reference))
    shown = capsys.readouterr().out
    assert "50.0% fewer bits than theirs at equal VMAF; the audience receives" in shown
    assert "bits at VMAF 80" in shown
    assert "storage of 01:00.000" in shown
    assert "world-2017" in shown


def test_the_table_says_what_there_is_no_figure_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(compared(((1e6, 30.0), (2e5, 10.0)), ((9e6, 95.0), (2e6, 60.0)), None))
    shown = capsys.readouterr().out
    assert "No range of quality in common with theirs." in shown
    assert "udience:" not in shown
