"""What an FFmpeg says of itself tells builds apart, which may give other results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from encoder.engine.request import Request, fingerprint
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ladder.policy import load_policy


def program(folder: Path, name: str, configuration: str) -> Ffmpeg:
    path = folder / name
    path.write_text(
        "#!/bin/sh\necho ffmpeg version 9.9 Copyright\n"
        f"echo 'configuration: {configuration}'\necho 'libavutil 59. 1.100'\n"
    )
    path.chmod(0o700)
    return locate(str(path))


def test_builds_of_one_version_are_told_apart(tmp_path: Path) -> None:
    plain = program(tmp_path, "plain", "--enable-gpl")
    same = program(tmp_path, "same", "--enable-gpl")
    other = program(tmp_path, "other", "--enable-gpl --enable-libfdk-aac")
    assert plain.version == same.version == other.version == "9.9"
    assert plain.build == same.build != other.build
    asked = Request(
        master=tmp_path / "master.mov",
        output=tmp_path / "out",
        policy=load_policy("per-title"),
        effort="instant",
        score="none",
        force=False,
        command=(),
    )
    wanted = fingerprint(plain, "digest", asked)
    assert wanted == fingerprint(same, "digest", replace(asked, output=tmp_path / "elsewhere"))
    assert wanted != fingerprint(other, "digest", asked)
