"""A small title on a pipeline of its own, with a ladder that nobody had to decide."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from encoder.encode.chunk_command import Measuring
from encoder.engine.events import Event
from encoder.engine.interruption import Interruption
from encoder.engine.pipeline import Pipeline
from encoder.engine.resources import Resources
from encoder.engine.store import Store
from encoder.engine.video import EncodedTitle
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ladder.policy import load_policy
from encoder.media.frames import FrameRange
from encoder.media.ladder import Ladder, Rung
from encoder.media.shots import Shot
from tests.encode.titles import generate

FRAMES = 240
EDGES = (0, 60, 120, 180, FRAMES)


def small_master(folder: Path) -> Path:
    """Ten seconds at 24 frames per second, with noise, so that it costs bits."""
    return generate(
        folder / "small.mp4",
        "testsrc2=s=160x96:r=24:d=10,noise=alls=30:allf=t:all_seed=5,format=yuv420p",
        *("-c:v", "libx264", "-preset", "ultrafast", "-qp", 8, "-g", 48),
    )


def rung(name: str, width: int = 160, height: int = 96, **changes: object) -> Rung:
    """A quick rung of half-minded quality."""
    made = Rung(
        id=name,
        codec="h264",
        width=width,
        height=height,
        preset="ultrafast",
        crf_per_shot=(30.0,) * 4,
        target_bitrate=None,
        max_bitrate=9_000_000,
        buffer_bits=9_000_000,
        expected=None,
        why="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass(slots=True)
class Bench:
    """Encodes the small title; ``events`` are what was told."""

    master: Path
    store: Store
    jobs: int = 1
    memory: int | None = None
    cuts: bool = True
    ffmpeg: Ffmpeg = field(default_factory=locate)
    interruption: Interruption = field(default_factory=Interruption)
    events: list[Event] = field(default_factory=list)

    def pipeline(self) -> Pipeline:
        """What a command would make."""
        return Pipeline(
            self.ffmpeg,
            self.store,
            self.events.append,
            resources=Resources(self.jobs, self.memory),
            interruption=self.interruption,
        )

    def encode(
        self, *rungs: Rung, measuring: Measuring | None = None, pipeline: Pipeline | None = None
    ) -> EncodedTitle:
        """All rungs, from probing on."""
        policy = load_policy("per-title")
        steps = pipeline or self.pipeline()
        found = steps.master(self.master)
        conform, analysis = steps.reference(found, policy)
        assert analysis.frames == FRAMES
        like = analysis.shots[0].complexity
        shots = tuple(Shot(FrameRange(a, b), self.cuts or not a, like) for a, b in pairwise(EDGES))
        ladder = Ladder(
            policy="test",
            policy_digest="",
            codec="h264",
            preset="ultrafast",
            frame_rate=Fraction(24),
            rungs=rungs,
            trials=(),
            curves=(),
            hull=(),
            vmaf_model="",
            savings=None,
            notes=(),
        )
        own = replace(analysis, shots=shots)
        return steps.encode(found, conform, own, ladder, policy, measuring)


def contents(encoded: EncodedTitle) -> dict[str, bytes]:
    """The bytes of every rendition."""
    return {one.id: one.path.read_bytes() for one in encoded.renditions.video}


def kept(store: Store, step: str = "chunk") -> set[str]:
    """The keys of a step's entries."""
    return {path.parent.name for path in (store.root / step).glob("*/*/entry.json")}
