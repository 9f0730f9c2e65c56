"""A master with damaged pictures is packaged, and says so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from encoder.engine.events import silent
from encoder.engine.pipeline import Pipeline
from encoder.engine.store import Store
from encoder.ffmpeg.locate import locate
from encoder.ladder.policy import load_policy
from tests.encode.titles import generate

FRAMES = 50


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("master") / "sound.mp4"
    return generate(
        path,
        "testsrc2=s=320x180:r=25:d=2,noise=alls=9:allf=t:all_seed=5",
        *("-c:v", "libx264", "-crf", "20", "-preset", "fast", "-pix_fmt", "yuv420p"),
    )


@pytest.fixture(scope="module")
def damaged(sound: Path) -> Path:
    """Single bits of the pictures are wrong, as of a bad disk."""
    content = bytearray(sound.read_bytes())
    start = content.index(b"mdat")
    end = content.index(b"moov")
    chance = random.Random(3)
    for place in chance.sample(range(start + 2000, end - 8), 25):
        content[place] ^= 1 << chance.randrange(8)
    path = sound.with_name("damaged.mp4")
    path.write_bytes(content)
    return path


def test_damage_is_noticed(sound: Path, damaged: Path, tmp_path: Path) -> None:
    steps = Pipeline(locate(), Store(tmp_path / "store"), silent)
    policy = load_policy("per-title")
    for path, wanted in ((sound, False), (damaged, True)):
        conform, analysis = steps.reference(steps.master(path), policy)
        assert (analysis.damaged, conform.damaged) == (wanted, wanted)
        assert analysis.frames == FRAMES
        assert any("damaged" in change for change in conform.changes) == wanted
