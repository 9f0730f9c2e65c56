"""Files are rewrapped together, as far as they are small, and one that cannot be is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import read_movie
from encoder.package.rewrap import Rewrap, audio_rewrap, rewrapped, video_rewrap


def jobs_of(renditions: RenditionSet) -> list[Rewrap]:
    return [
        *(video_rewrap(one.path, renditions.frame_rate) for one in renditions.video),
        *(audio_rewrap(one.path, one.language) for one in renditions.audio),
    ]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each process is given."""
    seen: list[int] = []

    def call(ffmpeg: Ffmpeg, arguments: Sequence[str], **more: Any) -> Any:
        seen.append(arguments.count("-i"))
        return run(ffmpeg, arguments, **more)

    monkeypatch.setattr("encoder.package.rewrap.run", call)
    return seen


def test_large_files_do_not_lie_beside_each_other(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(renditions)
    seen = counted(monkeypatch)
    together = [path.read_bytes() for path in rewrapped(ffmpeg, jobs, tmp_path)]
    assert seen == [6]
    assert not list(tmp_path.iterdir())
    seen.clear()
    monkeypatch.setattr("encoder.package.rewrap._BATCH_BYTES", 1)
    alone = []
    for path in rewrapped(ffmpeg, jobs, tmp_path):
        alone.append(path.read_bytes())
        assert list(tmp_path.iterdir()) == [path]
    assert seen == [1] * 6
    assert together == alone


def test_each_is_of_its_file(ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path) -> None:
    found = [
        read_movie(path, indexed=False).track
        for path in rewrapped(ffmpeg, jobs_of(renditions), tmp_path)
    ]
    assert [one.height for one in found] == [180, 108, 90, 0, 0, 0]
    assert [(one.channels, one.language) for one in found[3:]] == [
        (one.channels, {"en": "eng", "fr": "fra"}[one.language]) for one in renditions.audio
    ]


@pytest.mark.parametrize("content", [b"no film at all", None], ids=["damaged", "missing"])
def test_the_one_that_cannot_be_is_named(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, content: bytes | None
) -> None:
    wrong = tmp_path / "wrong.mp4"
    if content is not None:
        wrong.write_bytes(content)
    first, *others = jobs_of(renditions)
    jobs = [first, video_rewrap(wrong, renditions.frame_rate), *others]
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(PackageError) as caught:
        list(rewrapped(ffmpeg, jobs, work))
    assert caught.value.where == str(wrong)
