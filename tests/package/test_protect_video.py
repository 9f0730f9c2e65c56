"""What is encrypted of each coding of video: slices behind their headers, tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, Packaging
from encoder.media.protection import (
    SCHEMES,
    Protection,
    Scheme,
)
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import read_packaged
from encoder.package.package import package
from encoder.package.protect import seal
from encoder.package.rewrap import rewrap_marked
from encoder.verify.verify import verify

from .media import FRAMES, make_set, make_video
from .sealed import PICTURES, SOUND, decoded, samples

pytest.importorskip("cryptography", reason="what encrypts is an optional extra")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_slices_of_hevc_come_back_with_the_key(
    ffmpeg: Ffmpeg, tmp_path: Path, scheme: Scheme
) -> None:
    rung = make_video(ffmpeg, tmp_path / "hevc-180p.mp4", (320, 180), codec="hevc", crf=30)
    packages: list[Path] = []
    for protection in (None, Protection(scheme, (PICTURES,))):
        into = tmp_path / f"package-{len(packages)}"
        into.mkdir()
        packages.append(
            package(ffmpeg, make_set([rung]), into, Packaging(protection=protection)).path
        )
        broken = {one.rule for one in verify(into).findings if one.severity == "must"}
        assert broken <= {"HLS 2.3", "HLS 13.11"}
    old, new = (path / "video/hevc-180p.mp4" for path in packages)
    found = decoded(ffmpeg, new, PICTURES.key)
    assert found == decoded(ffmpeg, old, PICTURES.key)
    assert len(found) == FRAMES
    movie, before = read_packaged(new), read_packaged(old)
    assert movie.track.codec_string == before.track.codec_string
    pairs = [
        (one, two)
        for run, other in zip(movie.runs, before.runs, strict=True)
        for one, two in zip(samples(new, run), samples(old, other), strict=True)
    ]
    # The length of the first unit, its header, and that of a slice if it is one.
    assert all(one[:7] == two[:7] for one, two in pairs)
    changed = sum(x != y for one, two in pairs for x, y in zip(one, two, strict=True))
    total = sum(len(one) for one, _ in pairs)
    assert (0.03 < changed / total < 0.2) if scheme == "cbcs" else (0.6 < changed / total < 1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tiles_of_av1_come_back_with_the_key(
    ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path, scheme: Scheme
) -> None:
    packages: list[Path] = []
    for protection in (None, Protection(scheme, (PICTURES,))):
        into = tmp_path / f"package-{len(packages)}"
        into.mkdir()
        packages.append(package(ffmpeg, av1, into, Packaging(protection=protection)).path)
    old, new = (path / "video/av1-90p.mp4" for path in packages)
    found = decoded(ffmpeg, new, PICTURES.key)
    assert found == decoded(ffmpeg, old, PICTURES.key)
    assert len(found) == FRAMES
    movie, before = read_packaged(new), read_packaged(old)
    assert movie.track.codec_string == before.track.codec_string
    pairs = [
        (one, two)
        for run, other in zip(movie.runs, before.runs, strict=True)
        for one, two in zip(samples(new, run), samples(old, other), strict=True)
    ]
    assert all(len(one) == len(two) for one, two in pairs)
    # Temporal delimiter, its size, and the header of the next OBU at least.
    assert all(one[:3] == two[:3] for one, two in pairs)
    changed = sum(x != y for one, two in pairs for x, y in zip(one, two, strict=True))
    total = sum(len(one) for one, _ in pairs)
    # The smallest tiles are of no whole block.
    assert (0.03 < changed / total < 0.2) if scheme == "cbcs" else (0.4 < changed / total < 1)
    assert not list(packages[1].rglob("*marked*"))


def test_tiles_that_are_not_found_are_told(
    ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(ffmpeg: Ffmpeg, source: Path, target: Path) -> None:
        rewrap_marked(ffmpeg, source, target)
        data = target.read_bytes()
        target.write_bytes(data.replace(b"senc\0\0\0\x02", b"senc\0\0\0\0"))

    monkeypatch.setattr("encoder.package.av1_tiles.rewrap_marked", whole)
    with pytest.raises(PackageError, match="this FFmpeg encrypts AV1 whole"):
        package(ffmpeg, av1, tmp_path, Packaging(protection=Protection("cbcs", (PICTURES,))))


def test_other_codings_are_refused_by_name(clear: Package) -> None:
    path = clear.path / "video/h264-90p.mp4"
    movie = read_packaged(path)
    other = replace(movie, track=replace(movie.track, codec_string="vp09.00.10.08"))
    with pytest.raises(PackageError, match=r"it is vp09\..*H.264, HEVC and AV1"):
        seal(path, other, path, Protection("cbcs", (PICTURES, SOUND)))
