"""Scores of real encodes: against scikit-image on decoded frames, and what they must refuse."""

from __future__ import annotations

from dataclasses import astuple, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg import locate as locate_module
from encoder.ffmpeg.locate import Capabilities, Ffmpeg, locate
from encoder.ffmpeg.process import run
from encoder.media.conform import Filter
from encoder.media.scores import METRICS, Scorecard
from encoder.score import measure as measure_module
from encoder.score.measure import Distorted, measure
from encoder.score.pool import pool

from .scenes import (
    FRAMES,
    HEIGHT,
    SOURCES,
    WIDTH,
    analysis,
    conform,
    describe,
    encode,
    make_master,
    planes,
)

CRFS = (10, 23, 35, 45)

# It has annotations on half of its functions only, which strict checking refuses to call.
SKIMAGE: Any = import_module("skimage.metrics")


class Scene:
    """A master, encodes of it at several qualities, and their scores on every frame."""

    def __init__(self, folder: Path, source: str) -> None:
        self.path = make_master(folder / "master.mkv", source)
        self.master = describe(self.path)
        self.renditions = [
            Distorted(f"crf{crf}", encode(self.path, f"crf{crf}.mp4", "-crf", str(crf)))
            for crf in CRFS
        ]
        self.scores = folder / "scores"
        self.scores.mkdir()
        self.card = self.measure(self.scores, *self.renditions)

    def measure(self, into: Path, *distorted: Distorted, every: int = 1) -> Scorecard:
        return measure(
            locate(),
            self.master,
            conform(),
            analysis(cuts=(5,)),
            distorted,
            into,
            every=every,
            threads=2,
        )


@pytest.fixture(scope="module", params=SOURCES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    name = request.param
    return Scene(tmp_path_factory.mktemp(name), SOURCES[name])


@pytest.fixture(scope="module")
def detail(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("one"), SOURCES["detail"])


def values(folder: Path, identifier: str) -> dict[str, NDArray[np.float32]]:
    with np.load(folder / f"{identifier}.npz") as archive:
        return {name: archive[name] for name in archive.files}


def block_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """SSIM as FFmpeg's filter defines it: plain 8x8 windows, four pixels apart."""
    height, width = (side // 4 * 4 for side in a.shape)
    x, y = (p[:height, :width].astype(np.float64) for p in (a, b))

    def windows(image: NDArray[np.float64]) -> NDArray[np.float64]:
        quads: NDArray[np.float64] = image.reshape(height // 4, 4, width // 4, 4).sum(axis=(1, 3))
        return quads[:-1, :-1] + quads[:-1, 1:] + quads[1:, :-1] + quads[1:, 1:]

    s1, s2, ss, s12 = windows(x), windows(y), windows(x * x + y * y), windows(x * y)
    c1, c2 = int(0.01**2 * 255**2 * 64 + 0.5), int(0.03**2 * 255**2 * 64 * 63 + 0.5)
    variance, covariance = ss * 64 - s1 * s1 - s2 * s2, s12 * 64 - s1 * s2
    ratio = (2 * s1 * s2 + c1) * (2 * covariance + c2)
    return float(np.mean(ratio / ((s1 * s1 + s2 * s2 + c1) * (variance + c2))))


def test_psnr_is_scikit_images(scene: Scene) -> None:
    reference = planes(scene.path)
    for rendition in scene.renditions:
        measured = values(scene.scores, rendition.id)
        for index, (ours, theirs) in enumerate(zip(reference, planes(rendition.path), strict=True)):
            for name, a, b in zip(("psnr_y", "psnr_u", "psnr_v"), ours, theirs, strict=True):
                if np.array_equal(a, b):
                    expected = 100.0
                else:
                    expected = min(100.0, SKIMAGE.peak_signal_noise_ratio(a, b, data_range=255))
                assert measured[name][index] == pytest.approx(expected, abs=0.001)


def test_ssim_is_the_block_form(scene: Scene) -> None:
    reference = planes(scene.path)
    for rendition in scene.renditions:
        measured = values(scene.scores, rendition.id)["ssim"]
        expected = [
            block_ssim(a[0], b[0]) for a, b in zip(reference, planes(rendition.path), strict=True)
        ]
        assert measured == pytest.approx(expected, abs=2e-5)


def test_ssim_is_near_scikit_images(scene: Scene) -> None:
    """The named difference of definitions.

    FFmpeg averages over plain 8x8 windows four pixels apart, Wang et al. (2004) and scikit-image
    over Gaussian windows (sigma 1.5) at every pixel. On these scenes and on shots of film they
    differ by at most 0.001 above SSIM 0.995, 0.0075 above 0.985 and 0.037 below.
    """
    reference = planes(scene.path)
    for rendition in scene.renditions:
        measured = values(scene.scores, rendition.id)["ssim"]
        for index, (a, b) in enumerate(zip(reference, planes(rendition.path), strict=True)):
            expected = SKIMAGE.structural_similarity(
                a[0],
                b[0],
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
            )
            bound = 0.0015 if expected > 0.995 else 0.01 if expected > 0.985 else 0.045
            assert measured[index] == pytest.approx(expected, abs=bound)


def test_better_encodes_score_better(scene: Scene) -> None:
    for metric in METRICS:
        means = [score.metric(metric).title.mean for score in scene.card.renditions]
        assert means == sorted(means, reverse=True)
    vmaf = [score.metric("vmaf").title.mean for score in scene.card.renditions]
    assert vmaf[0] - vmaf[-1] > 5


def test_scorecard_describes_itself(detail: Scene) -> None:
    score = detail.card.renditions[1]
    assert score.rendition == "crf23"
    assert (score.width, score.height, score.every) == (WIDTH, HEIGHT, 1)
    assert [metric.metric for metric in score.metrics] == list(METRICS)
    assert score.metric("vmaf").model == "vmaf_v0.6.1"
    assert score.frames == Path("crf23.npz")
    frames = values(detail.scores, "crf23")
    assert frames["frame"].dtype == np.int32
    assert frames["frame"].tolist() == list(range(FRAMES))
    assert {frames[name].dtype for name in METRICS} == {np.dtype(np.float32)}
    for metric in METRICS:
        found = score.metric(metric)
        assert astuple(found.title) == pytest.approx(astuple(pool(frames[metric])), rel=1e-5)
        first, second = found.shots
        assert first is not None
        assert second is not None
        assert first.mean == pytest.approx(float(frames[metric][:5].mean()), rel=1e-5)
        assert second.mean == pytest.approx(float(frames[metric][5:].mean()), rel=1e-5)
        kept = frames[f"{metric}_shots"]
        assert kept.dtype == np.float32
        assert kept.tolist() == [
            pytest.approx(astuple(first), rel=1e-5),
            pytest.approx(astuple(second), rel=1e-5),
        ]


def test_nothing_is_left_beside_the_values(detail: Scene) -> None:
    assert sorted(p.name for p in detail.scores.iterdir()) == [f"crf{crf}.npz" for crf in CRFS]


def test_the_master_itself_is_perfect(detail: Scene, tmp_path: Path) -> None:
    card = detail.measure(tmp_path, Distorted("same", detail.path))
    score = card.renditions[0]
    assert score.metric("vmaf").title.min > 95
    for plane in "yuv":
        assert score.metric(f"psnr_{plane}").title.min == 100
    assert score.metric("ssim").title.min == 1


@pytest.mark.parametrize("tag", ["unknown", "smpte170m"])
def test_untagged_renditions_are_not_converted(detail: Scene, tmp_path: Path, tag: str) -> None:
    tagged = f"setparams=colorspace={tag}:color_primaries={tag}:color_trc={tag}"
    path = encode(detail.path, f"{tag}.mp4", "-qp", "0", "-vf", tagged)
    card = detail.measure(tmp_path, Distorted("other", path))
    assert card.renditions[0].metric("psnr_y").title.min == 100


def test_smaller_renditions_are_scaled_up(detail: Scene, tmp_path: Path) -> None:
    path = encode(detail.path, "small.mp4", "-crf", "10", "-vf", "scale=160:90")
    card = detail.measure(tmp_path, Distorted("small", path))
    assert (card.renditions[0].width, card.renditions[0].height) == (WIDTH, HEIGHT)
    small = card.renditions[0].metric("vmaf").title.mean
    assert small < detail.card.renditions[0].metric("vmaf").title.mean - 5
    assert np.all(values(tmp_path, "small")["psnr_y"] < 40)


def test_sampled_frames_have_the_scores_of_the_full_run(detail: Scene, tmp_path: Path) -> None:
    card = detail.measure(tmp_path, *detail.renditions, every=5)
    for rendition in detail.renditions:
        full, sampled = values(detail.scores, rendition.id), values(tmp_path, rendition.id)
        assert sampled["frame"].tolist() == [0, 5, 10]
        for name in METRICS:
            assert sampled[name].tolist() == full[name][::5].tolist()
    assert {score.every for score in card.renditions} == {5}


def test_scores_repeat_whatever_the_threads_and_company(detail: Scene, tmp_path: Path) -> None:
    again = measure(
        locate(),
        detail.master,
        conform(),
        analysis(cuts=(5,)),
        detail.renditions[2:3],
        tmp_path,
        threads=1,
    )
    assert again.renditions[0] == detail.card.renditions[2]
    name = "crf35.npz"
    assert (tmp_path / name).read_bytes() == (detail.scores / name).read_bytes()


def test_more_renditions_than_a_run_takes(
    detail: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_module, "_BATCH", 3)
    progress: list[int] = []
    card = measure(
        locate(),
        detail.master,
        conform(),
        analysis(cuts=(5,)),
        detail.renditions,
        tmp_path,
        on_progress=progress.append,
    )
    assert card == detail.card
    assert progress == sorted(progress)
    assert progress[-1] == FRAMES


def test_the_master_is_compared_as_conformed(detail: Scene, tmp_path: Path) -> None:
    flipped = encode(detail.path, "flipped.mp4", "-qp", "0", "-vf", "hflip")
    card = measure(
        locate(),
        detail.master,
        conform(Filter("hflip")),
        analysis(),
        [Distorted("flipped", flipped)],
        tmp_path,
    )
    assert card.renditions[0].metric("psnr_y").title.min == 100


def test_fragmented_files_score_the_same(detail: Scene, tmp_path: Path) -> None:
    path = tmp_path / "cmaf.mp4"
    flags = "+cmaf+dash+global_sidx+skip_trailer+frag_keyframe+delay_moov"
    source = ["-i", str(detail.renditions[1].path), "-c", "copy", "-movflags", flags]
    run(locate(), [*source, path.name], folder=tmp_path)
    card = detail.measure(tmp_path, Distorted("crf23", path))
    assert card.renditions[0] == detail.card.renditions[1]


def test_hostile_names(detail: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "it's 100%: a [b],c;d\\e=ü"
    folder.mkdir()
    path = folder / "- x 'y' %d:\n.mp4"
    path.write_bytes(detail.renditions[1].path.read_bytes())
    master = folder / "m'a%03d:\\.mkv"
    master.write_bytes(detail.path.read_bytes())
    card = measure(
        locate(),
        replace(detail.master, path=master),
        conform(),
        analysis(cuts=(5,)),
        [Distorted("crf23", path)],
        folder,
    )
    assert card.renditions[0] == detail.card.renditions[1]


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(
    ("expression", "count"),
    [("not(eq(n,4))", 11), ("lt(n,11)", 11), ("lt(n,3)", 3)],
    ids=["one dropped", "last missing", "most missing"],
)
def test_a_missing_frame_is_refused(
    detail: Scene, tmp_path: Path, expression: str, count: int, every: int
) -> None:
    drop = f"select='{expression}',setpts=N/FR/TB"
    path = encode(detail.path, f"short-{count}.mp4", "-vf", drop, "-fps_mode", "passthrough")
    assert len(planes(path)) == count
    with pytest.raises(MeasureError, match=rf"has {FRAMES} frames, the rendition {count}") as error:
        detail.measure(tmp_path, *detail.renditions[:1], Distorted("short", path), every=every)
    assert error.value.where == "short"
    assert not (tmp_path / "short.npz").exists()


@pytest.mark.parametrize("every", [1, 5])
def test_a_frame_too_many_is_refused(detail: Scene, tmp_path: Path, every: int) -> None:
    path = encode(detail.path, "long.mp4", "-vf", "tpad=stop=1:stop_mode=clone")
    with pytest.raises(MeasureError, match=rf"has {FRAMES} frames, the rendition {FRAMES + 1}"):
        detail.measure(tmp_path, Distorted("long", path), every=every)


def test_a_master_that_changed_is_refused(detail: Scene, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=r"analysis found 14 frames, this time there were 12"):
        measure(
            locate(),
            detail.master,
            conform(),
            analysis(frames=14),
            detail.renditions[:1],
            tmp_path,
        )


def test_a_broken_rendition_is_refused_and_leaves_nothing(detail: Scene, tmp_path: Path) -> None:
    into = tmp_path / "scores"
    into.mkdir()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(MeasureError, match="measurement failed"):
        detail.measure(into, Distorted("broken", broken))
    assert list(into.iterdir()) == []


def test_without_libvmaf(detail: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(ffmpeg: Ffmpeg) -> Capabilities:
        found = locate_module.capabilities(ffmpeg)
        return replace(found, filters=found.filters - {"libvmaf"})

    monkeypatch.setattr(measure_module, "capabilities", poor)
    with pytest.raises(MachineError, match="lacks the filter libvmaf") as error:
        detail.measure(tmp_path, *detail.renditions)
    assert error.value.exit_code == 3
    assert "--ffmpeg" in error.value.hint


def test_without_the_model(detail: Scene, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="lacks the model: vmaf_v9"):
        measure(
            locate(),
            detail.master,
            conform(),
            analysis(),
            detail.renditions[:1],
            tmp_path,
            model="vmaf_v9",
        )


def test_another_model_says_so(detail: Scene, tmp_path: Path) -> None:
    card = measure(
        locate(),
        detail.master,
        conform(),
        analysis(),
        detail.renditions[2:3],
        tmp_path,
        model="vmaf_v0.6.1neg",
    )
    neg = card.renditions[0].metric("vmaf")
    assert neg.model == "vmaf_v0.6.1neg"
    assert neg.title.mean != detail.card.renditions[2].metric("vmaf").title.mean


def test_nonsense_is_a_programming_error(detail: Scene, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every 0"):
        detail.measure(tmp_path, *detail.renditions, every=0)
    with pytest.raises(ValueError, match="same id"):
        detail.measure(tmp_path, detail.renditions[0], detail.renditions[0])
