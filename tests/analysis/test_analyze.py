"""Real decodes of small masters with known cuts."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import sobel

from encoder.analysis.analyze import AnalysisSettings, analyze
from encoder.analysis.pictures import open_pictures, plan_geometry
from encoder.errors import MasterError
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import Progress, run
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.serial import to_json
from encoder.media.shots import DETAIL_SCALES, Analysis
from tests.analysis.masters import (
    BLACK,
    HEIGHT,
    RATE,
    WHITE,
    WIDTH,
    Picture,
    Pictures,
    conform,
    describe,
    flat,
    mix,
    pan,
    scene,
    still,
    write,
)


def analysed(
    folder: Path,
    pictures: Pictures,
    rate: Fraction = RATE,
    settings: AnalysisSettings | None = None,
) -> Analysis:
    """The analysis of a title, after checking what must hold for all."""
    path = write(folder / "master.mkv", pictures, rate)
    _, height, width = pictures[0].shape
    chain = conform(size=(width, height), rate=rate)
    found = analyze(locate(), describe(path), chain, settings or AnalysisSettings())
    check(found, len(pictures))
    return found


def check(found: Analysis, frames: int) -> None:
    assert found.frames == frames
    bounds = [shot.frames for shot in found.shots]
    assert bounds[0].start == 0
    assert bounds[-1].end == frames
    assert all(a.end == b.start for a, b in pairwise(bounds))
    for shot in found.shots:
        one = shot.complexity
        values = (one.spatial, one.temporal, one.texture, one.noise, one.brightness, *one.detail)
        assert all(math.isfinite(value) and value >= 0 for value in values)
    assert "NaN" not in to_json(found)


def cuts(found: Analysis) -> list[int]:
    return [shot.frames.start for shot in found.shots if shot.cut][1:]


def test_hard_cuts_are_found_at_their_frames(tmp_path: Path) -> None:
    title = still(scene(1), 20) + pan(2, 17, 6) + pan(3, 9, 2) + still(scene(4), 30)
    found = analysed(tmp_path, title)
    assert cuts(found) == [20, 37, 46]
    assert found.frame_rate == RATE


def test_a_cut_between_colours_of_one_brightness(tmp_path: Path) -> None:
    title = still(flat(100, 90, 160), 12) + still(flat(100, 160, 90), 12)
    assert cuts(analysed(tmp_path, title)) == [12]


def test_cuts_to_black_and_back(tmp_path: Path) -> None:
    title = still(scene(1), 15) + still(BLACK, 10) + still(scene(2), 15)
    assert cuts(analysed(tmp_path, title)) == [15, 25]


def test_cuts_between_dark_letterboxed_pictures(tmp_path: Path) -> None:
    def dark(seed: int) -> Picture:
        picture = scene(seed)
        picture[0] = 16 + (picture[0] - 16) * 0.15
        picture[1:] = 128 + (picture[1:] - 128) * 0.3
        picture[0, :32] = picture[0, -32:] = 16
        return picture

    title = still(dark(1), 14) + still(dark(2), 14) + still(dark(3), 14)
    assert cuts(analysed(tmp_path, title)) == [14, 28]


def test_grain_is_no_change(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    a, b = scene(1), scene(2)
    title = [p + random.normal(0, 8, p.shape) for p in still(a, 15) + still(b, 15)]
    found = analysed(tmp_path, title)
    assert cuts(found) == [15]
    for shot in found.shots:
        assert shot.complexity.noise == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize("light", [WHITE, BLACK, flat(120, 100, 200)])
@pytest.mark.parametrize("length", [1, 3])
def test_a_flash_is_no_cut(tmp_path: Path, light: Picture, length: int) -> None:
    title = pan(5, 40, 3)
    title[20 : 20 + length] = still(light, length)
    assert cuts(analysed(tmp_path, title)) == []


def test_a_change_of_light_is_no_cut(tmp_path: Path) -> None:
    title = pan(6, 40, 3)
    title[20:] = [p * np.array([0.55, 1, 1])[:, None, None] + 5 for p in title[20:]]
    assert cuts(analysed(tmp_path, title)) == []


@pytest.mark.parametrize("speed", [0, 2, 10, 24])
def test_a_pan_is_no_cut(tmp_path: Path, speed: int) -> None:
    assert cuts(analysed(tmp_path, pan(7, 40, speed))) == []


@pytest.mark.parametrize("through", [BLACK, WHITE])
@pytest.mark.parametrize("hold", [1, 6, 16])
def test_a_fade_gives_one_boundary_when_the_next_scene_appears(
    tmp_path: Path, through: Picture, hold: int
) -> None:
    a, b = scene(1), scene(2)
    out, back = mix(a, through, 12), mix(through, b, 12)
    title = still(a, 20) + out + still(through, hold) + back + still(b, 20)
    (boundary,) = cuts(analysed(tmp_path, title))
    assert 32 + hold <= boundary <= 32 + hold + 2


def test_fades_at_the_ends_give_none(tmp_path: Path) -> None:
    a = scene(1)
    title = still(BLACK, 4) + mix(BLACK, a, 20) + still(a, 20) + mix(a, BLACK, 20)
    assert cuts(analysed(tmp_path, title)) == []


def test_a_picture_that_always_was_nearly_empty_does_not_fade(tmp_path: Path) -> None:
    faint = flat(120) + (scene(1) - scene(1).mean(axis=(1, 2), keepdims=True)) * 0.1
    fainter = flat(120) + (faint - flat(120)) * 0.5
    title = still(faint, 20) + mix(faint, fainter, 8) + still(fainter, 30)
    title += mix(fainter, faint, 8) + still(faint, 20)
    assert cuts(analysed(tmp_path, title)) == []


def test_a_slow_fade_in_of_a_dim_scene_is_no_dissolve_as_well(tmp_path: Path) -> None:
    a, dim = scene(1), BLACK + (scene(2) - BLACK) * 0.2
    title = still(a, 30) + mix(a, BLACK, 8) + still(BLACK, 4) + mix(BLACK, dim, 30)
    assert len(cuts(analysed(tmp_path, title + still(dim, 30)))) == 1


@pytest.mark.parametrize("length", [8, 16, 30])
def test_a_dissolve_gives_one_boundary_in_its_middle(tmp_path: Path, length: int) -> None:
    a, b = scene(1), scene(2)
    title = still(a, 30) + mix(a, b, length) + still(b, 30)
    (boundary,) = cuts(analysed(tmp_path, title))
    assert abs(boundary - (30 + length / 2)) <= 3


def test_cuts_too_close_leave_the_clearer(tmp_path: Path) -> None:
    title = still(scene(1), 20) + still(scene(2), 3) + still(scene(3), 20)
    (boundary,) = cuts(analysed(tmp_path, title))
    assert boundary in (20, 23)


def test_long_shots_are_split_evenly(tmp_path: Path) -> None:
    found = analysed(tmp_path, still(scene(1), 45), Fraction(2))
    assert [shot.frames for shot in found.shots] == [
        FrameRange(0, 15),
        FrameRange(15, 30),
        FrameRange(30, 45),
    ]
    assert [shot.cut for shot in found.shots] == [True, False, False]


def test_the_settings_count(tmp_path: Path) -> None:
    settings = AnalysisSettings(max_shot_seconds=Fraction(1), min_shot_seconds=Fraction(1, 2))
    title = still(scene(1), 10) + still(scene(2), 40)
    found = analysed(tmp_path, title, settings=settings)
    assert [len(shot.frames) for shot in found.shots] == [16, 17, 17]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_titles(tmp_path: Path, frames: int) -> None:
    found = analysed(tmp_path, [scene(seed) for seed in range(frames)])
    assert len(found.shots) == 1
    assert found.shots[0].cut
    assert found.shots[0].complexity.spatial > 1
    assert (found.shots[0].complexity.temporal > 1) == (frames > 1)


def test_all_black(tmp_path: Path) -> None:
    found = analysed(tmp_path, still(BLACK, 60))
    (shot,) = found.shots
    one = shot.complexity
    assert (one.spatial, one.temporal, one.noise) == (0, 0, 0)
    assert one.texture == pytest.approx(0, abs=1e-3)
    assert one.brightness == pytest.approx(16)


@pytest.mark.parametrize("size", [(32, 16), (16, 64), (66, 400), (400, 66), (1280, 32)])
def test_odd_shapes(tmp_path: Path, size: tuple[int, int]) -> None:
    title = still(scene(1, *size), 8) + still(scene(2, *size), 8)
    assert cuts(analysed(tmp_path, title)) == [8]


def test_a_shot_knows_nothing_of_the_one_before(tmp_path: Path) -> None:
    found = analysed(tmp_path, still(scene(1), 12) + still(scene(2), 12))
    assert [shot.complexity.temporal for shot in found.shots] == [0, 0]


def brighten(pictures: Pictures) -> Pictures:
    gain = np.linspace(0.3, 0.9, len(pictures))
    return [p * np.array([g, 1, 1])[:, None, None] for p, g in zip(pictures, gain, strict=True)]


@pytest.mark.parametrize(
    "title",
    [
        brighten(pan(8, 24, 5)),
        [picture for picture in brighten(pan(8, 24, 5)) for _ in range(2)],
        brighten(still(scene(8), 20)) + still(scene(8) * np.array([[[0.9]], [[1]], [[1]]]), 70),
    ],
    ids=["moving", "on twos", "at rest after a while"],
)
def test_complexity_is_the_mean_over_frames(tmp_path: Path, title: Pictures) -> None:
    """Pictures of this size are not scaled, so that every value can be computed afresh."""
    (shot,) = analysed(tmp_path, title).shots
    lumas = [np.round(picture[0]) for picture in title]
    slopes = [np.hypot(sobel(luma, 0), sobel(luma, 1))[1:-1, 1:-1].std() for luma in lumas]
    steps = [(b - a).std() for a, b in pairwise(lumas)]
    assert shot.complexity.spatial == pytest.approx(np.mean(slopes), rel=0.03)
    assert shot.complexity.temporal == pytest.approx(np.mean(steps), rel=1e-3)
    assert shot.complexity.brightness == pytest.approx(np.mean(lumas), rel=1e-4)


def test_brightness_is_the_mean_luma(tmp_path: Path) -> None:
    picture = np.round(scene(3))
    (shot,) = analysed(tmp_path, still(picture, 6)).shots
    assert shot.complexity.brightness == pytest.approx(picture[0].mean(), abs=0.3)


def test_detail_is_of_each_shot_at_the_full_size_of_pictures(tmp_path: Path) -> None:
    """White noise, which downscaling averages away, then nothing finer than the coarsest scale."""
    random = np.random.default_rng(8)
    noise = np.stack([np.round(random.normal(128, 10, (768, 1280))), *np.full((2, 768, 1280), 128)])
    wave = 128 + 50 * np.sin(np.pi * 0.1 * np.arange(1280))
    smooth = np.stack([np.broadcast_to(np.round(wave), (768, 1280)), *noise[1:]])
    rough, fine = (
        shot.complexity.detail for shot in analysed(tmp_path, [noise] * 12 + [smooth] * 12).shots
    )
    assert rough == pytest.approx([2 * (1 - scale) * 100 for scale in DETAIL_SCALES], rel=0.06)
    # Whole code values are as good as noise of a twelfth.
    assert fine == pytest.approx([0.0] * 5, abs=0.5)


def test_progress_counts_up_to_all_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "m.mkv", still(scene(1), 50))
    seen: list[int] = []
    analyze(locate(), describe(path), conform(), on_progress=seen.append)
    assert seen == sorted(set(seen))
    assert seen[-1] == 50
    assert len(seen) > 1


def test_frames_are_those_of_the_conform_chain(tmp_path: Path) -> None:
    path = write(tmp_path / "m.mkv", still(scene(1), 20) + still(scene(2), 20))
    chain = conform(Filter("select", ("mod(n,2)",)), Filter("vflip"))
    found = analyze(locate(), describe(path), chain)
    check(found, 20)
    assert cuts(found) == [10]


@pytest.mark.parametrize("times", ["if(mod(N,3),N,N-2)", "0", "-N", "NAN"])
def test_frames_are_counted_whatever_their_times(tmp_path: Path, times: str) -> None:
    path = write(tmp_path / "m.mkv", still(scene(1), 12) + still(scene(2), 12))
    chain = conform(Filter("setpts", (times,)))
    found = analyze(locate(), describe(path), chain)
    check(found, 24)
    assert cuts(found) == [12]


def test_a_hostile_name(tmp_path: Path) -> None:
    path = write(tmp_path / "- it's 50%d: \n[ü],;.mkv", still(scene(1), 6))
    check(analyze(locate(), describe(path), conform()), 6)


def test_damage_in_the_middle_costs_frames_not_the_title(tmp_path: Path) -> None:
    source = write(tmp_path / "m.mkv", pan(1, 96, 4))
    path = tmp_path / "damaged.ts"
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-threads", "1"]
    run(locate(), ["-i", source.name, *options, path.name], folder=tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 188 * 188
    content[middle : middle + 188 * 40] = b"\xff" * (188 * 40)
    path.write_bytes(content)
    found = analyze(locate(), describe(path), conform())
    reports: list[Progress] = []
    decode = ["-i", path.name, "-map", "0:0", "-fps_mode", "passthrough", "-f", "null", "-"]
    run(locate(), decode, folder=tmp_path, on_progress=reports.append)
    assert found.frames == reports[-1].frame
    assert 48 <= found.frames < 96
    check(found, found.frames)


def explain(path: Path, chain: Conform) -> str:
    with pytest.raises(MasterError) as caught:
        analyze(locate(), describe(path), chain)
    return str(caught.value)


def test_no_pictures_at_all(tmp_path: Path) -> None:
    path = write(tmp_path / "m.mkv", still(scene(1), 3))
    text = explain(path, conform(Filter("select", ("0",))))
    assert "no pictures" in text
    assert "m.mkv" in text


def test_what_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "m.mkv"
    path.write_text("not a video")
    text = explain(path, conform())
    assert "could not be decoded" in text
    assert "EBML header parsing failed" in text


def test_a_filter_that_fails_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.mkv", still(scene(1), 3))
    assert "nonsense" in explain(path, conform(Filter("nonsense")))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (480, 272, 66)),
        ((3840, 2160), (480, 272, 66)),
        ((720, 1280), (272, 480, 66)),
        ((1920, 800), (560, 240, 66)),
        ((480, 270), (480, 256, 66)),
        ((320, 64), (320, 64, 0)),
        ((16, 16), (32, 32, 0)),
        ((8000, 20), (7232, 32, 0)),
        ((4000, 20), (4000, 32, 0)),
    ],
)
def test_geometry(size: tuple[int, int], expected: tuple[int, int, int]) -> None:
    found = plan_geometry(conform(size=size), AnalysisSettings().picture_pixels)
    assert (found.width, found.height, found.strip) == expected


def test_the_pictures_are_of_the_master(tmp_path: Path) -> None:
    """Planes and strip are where they are said to be: a picture of four colours tells."""
    picture = np.repeat(np.repeat(np.zeros((3, 2, 2)), HEIGHT // 2, 1), WIDTH // 2, 2)
    for place, colour in {
        (0, 0): (40, 100, 150),
        (0, 1): (90, 150, 100),
        (1, 0): (140, 90, 120),
        (1, 1): (190, 120, 90),
    }.items():
        rows = slice(place[0] * HEIGHT // 2, (place[0] + 1) * HEIGHT // 2)
        columns = slice(place[1] * WIDTH // 2, (place[1] + 1) * WIDTH // 2)
        picture[:, rows, columns] = np.array(colour)[:, None, None]
    path = write(tmp_path / "m.mkv", still(picture, 5))
    chain = conform()
    geometry = plan_geometry(chain, 160 * 96)
    assert geometry.strip
    with open_pictures(locate(), describe(path), chain, geometry, 3) as batches:
        seen = [(b.luma.copy(), b.chroma.copy(), b.full_size.copy()) for b in batches]
    assert [len(luma) for luma, _, _ in seen] == [3, 2]
    for luma, chroma, strip in seen:
        for frame in range(len(luma)):
            corners = luma[frame, :: luma.shape[1] - 1, :: luma.shape[2] - 1]
            assert corners.tolist() == [[40, 90], [140, 190]]
            tints = chroma[frame, :, :: chroma.shape[2] - 1, :: chroma.shape[3] - 1]
            assert tints[0].tolist() == [[100, 150], [90, 120]]
            assert tints[1].tolist() == [[150, 100], [120, 90]]
            assert set(np.unique(strip[frame]).tolist()) <= {40, 90, 140, 190}
    assert seen[0][2].shape[1:] == (66, geometry.width)
