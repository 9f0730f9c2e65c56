"""The worst frames: the right ones, spread, and as pictures of exactly those frames."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import av
import ffmpeg as graph
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoder.encode.cut import Cut, find_cut, open_cut
from encoder.errors import MeasureError, PackageError
from encoder.ffmpeg.graph import arguments
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import run
from encoder.media.colour import BT709
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.media.scores import RenditionScore, Scorecard
from encoder.report.data import WorstFrame
from encoder.report.pictures import DETAIL, GAIN, picture_size, take
from encoder.report.sizes import frame_bytes
from encoder.report.worst import choose_frames, worst_frames
from tests.encode.titles import describe, generate

from .factory import master, shots_of

WIDTH, HEIGHT, FRAMES = 800, 448, 60
BAD = (17, 44)
BOX = (560, 200, 96, 64)  # left, top, width, height of what is wrong in the bad frames


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=300),
    st.integers(1, 6),
    st.integers(0, 6),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_choices_are_frames_far_apart(
    values: list[float], every: int, count: int, apart: int, shots: int
) -> None:
    vmaf = {"top": np.array(values), "low": np.array(values) / 2}
    chosen = choose_frames(
        vmaf,
        {"top": every, "low": every},
        ["top", "low"],
        count=count,
        apart=apart,
        shots=shots_of(len(values) * every, shots) if 0 < shots <= len(values) else (),
    )
    assert len(chosen) <= count
    assert bool(chosen) == (count > 0)
    for one in chosen:
        assert one.vmaf == vmaf[one.rendition][one.frame // every]
        assert one.frame % every == 0
    assert all(abs(one.frame - other.frame) >= apart for one, other in combinations(chosen, 2))
    if chosen:
        assert chosen[0].rendition == "top"
        assert chosen[0].vmaf == min(values)


def test_every_shot_is_shown_before_any_is_shown_twice() -> None:
    values = np.full(240, 90.0)
    values[[10, 40]] = 20.0, 21.0
    values[150] = 80.0
    shots = shots_of(240, 3)
    chosen = choose_frames({"a": values}, {"a": 1}, ["a"], count=3, apart=20, shots=shots)
    assert [one.shot for one in chosen][:2] == [0, 1]
    assert chosen[0].frame == 10
    assert chosen[1].frame == 150
    assert {one.shot for one in chosen} == {0, 1, 2}


def test_half_are_of_the_best_and_half_of_the_middle() -> None:
    ids = ["a", "b", "c", "d", "e"]
    vmaf = {one: np.linspace(50, 90, 500) for one in ids}
    chosen = choose_frames(vmaf, dict.fromkeys(ids, 1), ids, count=5, apart=10)
    assert [one.rendition for one in chosen] == ["a", "a", "a", "c", "c"]


def test_frames_without_a_value_are_not_chosen() -> None:
    values = np.array([np.nan, 70.0, np.inf])
    chosen = choose_frames({"a": values}, {"a": 1}, ["a"], count=2, apart=1)
    assert [one.frame for one in chosen] == [1]


def test_without_scores_there_is_nothing_to_show() -> None:
    assert choose_frames({}, {}, ["a"], count=4, apart=1) == ()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (960, 540)),
        ((1080, 1920), (540, 960)),
        ((640, 360), (640, 360)),
        ((3840, 2), (960, 1)),
    ],
)
def test_pictures_are_bounded(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert picture_size(*size) == expected


@pytest.fixture(scope="module")
def ffmpeg() -> Ffmpeg:
    return locate()


def _encode(
    ffmpeg: Ffmpeg,
    folder: Path,
    name: str,
    *,
    broken: bool,
    frames: int,
    box: tuple[int, int, int, int] = BOX,
) -> Path:
    """Grey pictures, each as bright as its number says, beside fixed detail and colour."""
    seconds = frames / 25
    source = graph.input(f"color=black:s={WIDTH}x{HEIGHT}:r=25:d={seconds}", f="lavfi")
    picture: Any = source.filter("format", "yuv420p").filter(
        "geq", lum="if(lt(X,400),40+3*N,60+120*mod(floor(X/16)+floor(Y/16),2))", cb="100", cr="150"
    )
    if broken:
        left, top, width, height = box
        when = "+".join(f"eq(n,{n})" for n in BAD)
        picture = picture.filter(
            "drawbox", left, top, width, height, color="white", t="fill", enable=when
        )
    picture = picture.filter("setparams", range="limited", colorspace="bt709")
    out = picture.output(
        f"file:{name}",
        f="mp4",
        **{"c:v": "libx264", "qp": 4, "preset": "ultrafast", "g": 12, "pix_fmt": "yuv420p"},
    )
    run(ffmpeg, arguments(out), folder=folder)
    return folder / name


@pytest.fixture(scope="module")
def files(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "master": _encode(ffmpeg, folder, "it's 100%: a [master].mp4", broken=False, frames=FRAMES),
        "top": _encode(ffmpeg, folder, "top.mp4", broken=True, frames=FRAMES),
        "low": _encode(ffmpeg, folder, "low.mp4", broken=True, frames=FRAMES),
        "short": _encode(ffmpeg, folder, "short.mp4", broken=True, frames=20),
    }


CONFORM = Conform(
    stream_index=0,
    input_options=(("noautorotate", None),),
    filters=(Filter("format", ("yuv420p",)),),
    width=WIDTH,
    height=HEIGHT,
    frame_rate=Fraction(25),
    colour=BT709,
    pixel_format="yuv420p",
    audio_offset=Fraction(0),
    tone_mapped=False,
    changes=(),
)
SCORES = Scorecard(
    tuple(RenditionScore(n, WIDTH, HEIGHT, 1, (), Path(f"{n}.npz")) for n in ("top", "low"))
)


def _vmaf() -> dict[str, NDArray[np.floating]]:
    top = np.full(FRAMES, 97.0)
    low = np.full(FRAMES, 88.0)
    top[BAD[0]], low[BAD[1]] = 40.0, 30.0
    return {"top": top, "low": low}


def _decoded(content: bytes) -> NDArray[np.uint8]:
    """RGB of a picture."""
    with av.open(io.BytesIO(content), "r") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return picture.astype(np.uint8)


@pytest.fixture(scope="module")
def worst(
    ffmpeg: Ffmpeg, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[WorstFrame, ...]:
    folder = tmp_path_factory.mktemp("scratch")
    (folder / "other.txt").write_text("not ours")
    source = master(FRAMES)
    found = worst_frames(
        ffmpeg,
        _at(source, files["master"]),
        CONFORM,
        {name: files[name] for name in ("top", "low")},
        SCORES,
        _vmaf(),
        count=2,
        folder=folder,
        shots=shots_of(FRAMES, 2),
    )
    assert [p.name for p in folder.iterdir()] == ["other.txt"]
    return found


def _at(source: Master, path: Path) -> Master:
    return replace(source, path=path)


def test_the_worst_frames_are_found(worst: tuple[WorstFrame, ...]) -> None:
    assert [(w.rendition, w.frame, w.vmaf) for w in worst] == [
        ("top", BAD[0], 40.0),
        ("low", BAD[1], 30.0),
    ]
    assert [w.time for w in worst] == [Fraction(n, 25) for n in BAD]
    assert [w.shot for w in worst] == [0, 1]
    assert {w.media_type for w in worst} == {"image/jpeg"}


def test_pictures_are_of_exactly_those_frames(worst: tuple[WorstFrame, ...]) -> None:
    for one in worst:
        for content in (one.whole.reference, one.whole.rendition):
            picture = _decoded(content)
            assert picture.shape == (HEIGHT, WIDTH, 3)
            # Y'CbCr of BT.709, limited range, as the clip was made: a frame off is 3.5 off.
            luma = (40 + 3 * one.frame - 16) * 255 / 219
            cb, cr = (100 - 128) * 255 / 224, (150 - 128) * 255 / 224
            expected = [
                luma + 1.5748 * cr,
                luma - 0.1873 * cb - 0.4681 * cr,
                luma + 1.8556 * cb,
            ]
            actual = picture[100:300, 100:300].reshape(-1, 3).mean(0)
            assert np.abs(actual - np.clip(expected, 0, 255)).max() < 2.5


def test_the_difference_shows_what_is_wrong_and_nothing_else(
    worst: tuple[WorstFrame, ...],
) -> None:
    left, top, width, height = BOX
    for one in worst:
        assert one.gain == GAIN
        difference = _decoded(one.whole.difference)[..., 1]
        inside = difference[top + 4 : top + height - 4, left + 4 : left + width - 4]
        outside = difference.copy()
        outside[top - 8 : top + height + 8, left - 8 : left + width + 8] = 0
        assert inside.mean() > 230
        assert outside.mean() < 12


def test_the_detail_is_cut_out_where_it_is_wrong(worst: tuple[WorstFrame, ...]) -> None:
    left, top, width, height = BOX
    for one in worst:
        assert one.detail is not None
        assert one.detail_at is not None
        x, y = one.detail_at
        assert x <= left < left + width <= x + DETAIL[0]
        assert y <= top < top + height <= y + DETAIL[1]
        whole, detail = _decoded(one.whole.reference), _decoded(one.detail.reference)
        assert detail.shape == (DETAIL[1], DETAIL[0], 3)
        cut = whole[y : y + DETAIL[1], x : x + DETAIL[0]]
        assert np.abs(cut.astype(int) - detail).mean() < 3


def test_the_detail_of_one_rendition_is_shown_of_all(
    ffmpeg: Ffmpeg, files: dict[str, Path], tmp_path: Path
) -> None:
    elsewhere = (40, 30, 40, 40)
    other = _encode(ffmpeg, tmp_path, "o.mp4", broken=True, frames=FRAMES, box=elsewhere)

    def corners(detail_of: str | None) -> dict[str, tuple[int, int] | None]:
        taken = take(
            ffmpeg,
            _at(master(FRAMES), files["master"]),
            CONFORM,
            {"top": files["top"], "other": other},
            {"top": [BAD[0]], "other": [BAD[0]]},
            tmp_path,
            detail_of=detail_of,
        )
        return {name: one.at for (name, _), one in taken.items()}

    own = corners(None)
    assert own["top"] != own["other"]
    for name in own:
        assert corners(name) == dict.fromkeys(own, own[name])


def test_a_frame_that_is_sought_is_the_same(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    source = "testsrc2=s=320x180:r=24000/1001:d=3.003,noise=alls=12:allf=t:all_seed=3"
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", 12, "-bf", 3)
    path = generate(tmp_path / "master.mkv", f"{source},format=yuv420p", *encoder, "-qp", 4)
    title, _ = describe(path, tmp_path)
    low = generate(tmp_path / "low.mp4", f"{source},scale=160:90,format=yuv420p", *encoder)
    frames = {"low": [0, 5, 40, 71]}
    cuts: list[Cut] = []

    def at(frame: int) -> Any:
        wanted = FrameRange(frame, frame + 1)
        cuts.append(
            find_cut(ffmpeg, title.master, title.conform, wanted, title.checksums, tmp_path)
        )
        return open_cut(title.master, title.conform, cuts[-1])

    asked = (ffmpeg, title.master, title.conform, {"low": low}, frames, tmp_path)
    assert take(*asked, reference_at=at) == take(*asked)
    assert cuts[-1].seek is not None
    assert not list(tmp_path.glob("*.yuv"))


def test_a_rendition_that_is_too_short_is_refused(
    ffmpeg: Ffmpeg, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(MeasureError, match="fewer pictures than were scored"):
        worst_frames(
            ffmpeg,
            _at(master(FRAMES), files["master"]),
            CONFORM,
            {"low": files["short"]},
            Scorecard(SCORES.renditions[1:]),
            _vmaf(),
            folder=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_master_that_cannot_be_decoded_is_told(
    ffmpeg: Ffmpeg, files: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(MeasureError, match="Invalid data"):
        worst_frames(
            ffmpeg,
            _at(master(FRAMES), broken),
            CONFORM,
            {"top": files["top"]},
            SCORES,
            _vmaf(),
            folder=scratch,
        )
    assert list(scratch.iterdir()) == []


def test_coded_sizes_are_read_in_the_order_of_presentation(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    noise = graph.input("testsrc2=s=320x180:r=25:d=2", f="lavfi")
    out = noise.output(
        "file:b.mp4", f="mp4", **{"c:v": "libx264", "bf": 3, "g": 25, "pix_fmt": "yuv420p"}
    )
    run(ffmpeg, arguments(out), folder=tmp_path)
    sizes = frame_bytes(tmp_path / "b.mp4")
    assert len(sizes) == 50
    with av.open(str(tmp_path / "b.mp4")) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    coded = [p.size for p in packets]
    # With B-frames the order of coding is another: this is what must be undone.
    assert sizes.tolist() != coded
    assert sorted(sizes.tolist()) == sorted(coded)
    assert sorted(np.argsort(sizes)[-2:].tolist()) == [0, 25]


@pytest.mark.parametrize("content", [b"", b"not a film"])
def test_a_file_whose_sizes_cannot_be_read_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(PackageError, match=r"broken\.mp4"):
        frame_bytes(tmp_path / "broken.mp4")
