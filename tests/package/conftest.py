"""Renditions and a package of them, made once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.media.package import Package, Packaging
from encoder.media.protection import SYSTEMS, Protection
from encoder.media.renditions import RenditionSet
from encoder.package.package import package

from .media import make_audio, make_set, make_video
from .sealed import PICTURES, SOUND


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    return locate()


@pytest.fixture(scope="session")
def renditions(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> RenditionSet:
    """Three rungs; English in stereo and 5.1, and a French commentary in stereo."""
    folder = tmp_path_factory.mktemp("renditions with a space")
    video = [
        make_video(ffmpeg, folder / "h264-180p.mp4", (320, 180), crf=22),
        make_video(ffmpeg, folder / "h264-108p.mp4", (192, 108), crf=28),
        make_video(ffmpeg, folder / "h264-90p.mp4", (160, 90), crf=34),
    ]
    audio = [
        make_audio(
            ffmpeg, folder / "en-2ch.mp4", language="en", name="English", source=1, default=True
        ),
        make_audio(
            ffmpeg,
            folder / "en-6ch.mp4",
            language="en",
            name="English 5.1",
            source=1,
            channels=6,
            bitrate=256_000,
        ),
        make_audio(
            ffmpeg,
            folder / "fr-2ch.mp4",
            language="fr",
            name="Français",
            source=2,
            roles=("commentary",),
        ),
    ]
    return make_set(video, audio)


@pytest.fixture(scope="session")
def av1(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> RenditionSet:
    folder = tmp_path_factory.mktemp("av1")
    return make_set([make_video(ffmpeg, folder / "av1-90p.mp4", (160, 90), codec="av1", crf=45)])


@pytest.fixture(scope="session")
def packaged(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path_factory: pytest.TempPathFactory
) -> Package:
    """The package of ``renditions`` with scores. Read it, do not change it."""
    scores = {"h264-180p": 91.23456, "h264-108p": 80.5, "h264-90p": 60.0}
    return package(ffmpeg, renditions, tmp_path_factory.mktemp("package"), scores=scores)


@pytest.fixture
def pack(ffmpeg: Ffmpeg, tmp_path: Path) -> Callable[[RenditionSet], Package]:
    """Packages a set into a fresh folder."""

    def run(renditions: RenditionSet) -> Package:
        into = tmp_path / "package"
        into.mkdir()
        return package(ffmpeg, renditions, into)

    return run


@pytest.fixture(scope="session")
def small(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> RenditionSet:
    folder = tmp_path_factory.mktemp("to protect")
    rung = make_video(ffmpeg, folder / "h264-90p.mp4", (160, 90), crf=24)
    sound = make_audio(
        ffmpeg, folder / "en-2ch.mp4", language="en", name="English", source=1, default=True
    )
    return make_set([rung], [sound])


@pytest.fixture(scope="session", params=["cbcs", "cenc"])
def sealed(
    request: pytest.FixtureRequest,
    ffmpeg: Ffmpeg,
    small: RenditionSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Package:
    """A protected package. Read it, do not change it."""
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    protection = Protection(request.param, (PICTURES, SOUND), SYSTEMS)
    into = tmp_path_factory.mktemp(request.param)
    return package(ffmpeg, small, into, Packaging(protection=protection))


@pytest.fixture(scope="session")
def clear(ffmpeg: Ffmpeg, small: RenditionSet, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package(ffmpeg, small, tmp_path_factory.mktemp("clear"))
