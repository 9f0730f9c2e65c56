"""A plan says what of a step's inputs is other than when it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from encoder.codecs import EncodeSettings
from encoder.encode.chunks import Chunk, ChunkRung
from encoder.engine.chunk_store import ChunkStore
from encoder.engine.pipeline import Pipeline
from encoder.engine.reasons import fingerprints, why_missing
from encoder.engine.stage import WouldRun
from encoder.engine.store import Store, key_of
from encoder.ffmpeg.locate import locate
from encoder.ladder.policy import load_policy
from encoder.media.frames import FrameRange
from tests.engine.small import small_master

TITLE: dict[str, object] = {"digest": "abc", "ffmpeg": "9.0", "conform": {"width": 160, "zoom": 1}}
CHUNK = Chunk(0, FrameRange(0, 48), (0,))
RUNG = ChunkRung(
    "h264",
    EncodeSettings(
        frame_rate=load_policy("per-title").gop_seconds,
        width=160,
        height=96,
        preset="medium",
        gop_frames=48,
        crf=30.0,
        max_bitrate=900_000,
        buffer_bits=900_000,
    ),
)


def changed(**settings: object) -> ChunkRung:
    return replace(RUNG, settings=replace(RUNG.settings, **settings))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One with the chunk in it, and one of another CRF and preset."""
    made = Store(tmp_path)
    for rung in (RUNG, changed(crf=20.0, preset="slow")):
        inputs = ChunkStore(made, TITLE).determined_by(CHUNK, rung)
        with made.work() as folder:
            made.save("chunk", key_of(inputs), folder, None, fingerprints(inputs))
    return made


@pytest.mark.parametrize(
    ("title", "chunk", "rung", "said"),
    [
        (TITLE, CHUNK, changed(crf=31.0), "what is there differs in CRF"),
        # Nearer to the second one than to the first.
        (TITLE, CHUNK, changed(crf=20.0, preset="slower"), "what is there differs in preset"),
        (
            TITLE,
            CHUNK,
            changed(max_bitrate=1, buffer_bits=1),
            "what is there differs in buffer, peak bitrate",
        ),
        ({**TITLE, "ffmpeg": "9.1"}, CHUNK, RUNG, "what is there differs in FFmpeg"),
        (
            {**TITLE, "conform": {"width": 160, "zoom": 2}},
            CHUNK,
            RUNG,
            "what is there differs in how pictures are conformed",
        ),
        (
            TITLE,
            Chunk(0, FrameRange(0, 50), (0,)),
            RUNG,
            "what is there differs in division into chunks",
        ),
        (
            {**TITLE, "ffmpeg": "9.1"},
            CHUNK,
            changed(width=80, gop_frames=24, max_bitrate=1),
            "what is there differs in FFmpeg, distance of key frames, peak bitrate and 1 more",
        ),
        ({**TITLE, "digest": "def"}, CHUNK, RUNG, "nothing of this master is there"),
        (TITLE, CHUNK, RUNG, "what was there is damaged or was pruned"),
    ],
)
def test_what_differs_is_named(
    store: Store, title: dict[str, object], chunk: Chunk, rung: ChunkRung, said: str
) -> None:
    wanted = ChunkStore(store, title).determined_by(chunk, rung)
    assert why_missing(store, "chunk", [wanted]) == said


def test_what_cannot_be_read_is_passed_over(store: Store) -> None:
    (first, *_) = sorted(store.root.glob("chunk/*/*/entry.json"))
    first.write_text("{")
    assert len(list(store.fingerprints("chunk"))) == 1
    first.write_text('{"inputs": 3}')
    assert len(list(store.fingerprints("chunk"))) == 1
    first.write_text("{}")
    assert {} in list(store.fingerprints("chunk"))
    other = ChunkStore(store, {**TITLE, "digest": "def"}).determined_by(CHUNK, RUNG)
    assert why_missing(store, "chunk", [other]).endswith(", or it is of an older version")


def test_a_plan_says_why(tmp_path: Path) -> None:
    master = small_master(tmp_path)

    def planned(store: Store, version: str) -> str:
        ffmpeg = replace(locate(), build=version)
        steps = Pipeline(ffmpeg, store, lambda _: None, only_plan=True)
        found = steps.master(master)
        with pytest.raises(WouldRun) as caught:
            steps.reference(found, load_policy("per-title"))
        assert caught.value.stage == "analyze"
        return caught.value.detail

    store = Store(tmp_path / "store")
    assert planned(store, "1") == "not in the store: nothing of this master is there"
    steps = Pipeline(replace(locate(), build="1"), store, lambda _: None)
    steps.reference(steps.master(master), load_policy("per-title"))
    assert planned(store, "2") == "not in the store: what is there differs in FFmpeg"
