"""A made-up title whose encoder is drawn from what is believed of encoders."""

from __future__ import annotations

import numpy as np

from encoder.ladder.correct import delivered
from encoder.ladder.decide import decide_ladder
from encoder.ladder.evidence import shot_features
from encoder.ladder.prior import from_logit
from encoder.media.ladder import Rung, Trial
from tests.ladder.test_correct import RATE, SHAPE, promised
from tests.ladder.test_evidence import APPLE, POLICY, PRIOR, analysis

FOUND = analysis([100, 80])
FIRST = decide_ladder(SHAPE, FOUND, POLICY, APPLE, ())
LENGTHS = [len(shot.frames) for shot in FOUND.shots]
WEIGHTS = np.array(LENGTHS) / sum(LENGTHS)


class Drawn:
    """An encoder as the prior has them, whose surfaces are drawn from it."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        features = shot_features(SHAPE, FOUND)
        self.surfaces = [
            random.multivariate_normal(PRIOR.mean(one), PRIOR.covariance) for one in features
        ]

    def encode(self, rung: Rung) -> tuple[Trial, ...]:
        """What every shot of a rung gives, on all of its frames."""
        n, pixels = PRIOR.nodes, SHAPE.width * SHAPE.height
        found = []
        for shot, (surface, crf) in enumerate(zip(self.surfaces, rung.crf_per_shot, strict=True)):
            at = PRIOR.weights(rung.width / SHAPE.width, crf)
            frames, keys = FOUND.shots[shot].frames, -(-LENGTHS[shot] // 50)
            key, other = (2.0 ** (at @ surface[k * n : (k + 1) * n]) * pixels for k in (0, 1))
            found.append(
                Trial(
                    shot=shot,
                    start=frames.start,
                    frames=len(frames),
                    width=rung.width,
                    height=rung.height,
                    crf=crf,
                    key_frames=keys,
                    key_bits=round(float(key) * keys),
                    other_bits=round(float(other) * (len(frames) - keys)),
                    vmaf=float(from_logit(at @ surface[2 * n :])),
                )
            )
        return tuple(found)

    def off(self, rung: Rung) -> float:
        """By how many VMAF a rung is off what is expected of it."""
        vmaf = float(WEIGHTS @ [trial.vmaf for trial in self.encode(rung)])
        return abs(vmaf - promised(rung).vmaf)

    def title(self, rung: Rung) -> tuple[float, float]:
        """Bits per second and VMAF of the title that a rung gives."""
        return delivered(self.encode(rung), RATE).title(WEIGHTS)
