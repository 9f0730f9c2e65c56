"""Scores of a package: measured while it was encoded, and confirmed of what was packaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from encoder.encode.chunk_command import Measuring
from encoder.engine.request import ScoreMode
from encoder.engine.video import EncodedRung
from encoder.ffmpeg.checksums import Checksums
from encoder.media.conform import Conform
from encoder.media.scores import RenditionScore
from encoder.media.shots import Analysis
from encoder.score.card import rendition_score

# Odd, so that it meets all places in a pyramid of B frames. Means of nine rungs of twelve seconds
# were off by 0.33 VMAF (RMS); by 0.27 at every fifth frame, and by 0.53 at every tenth.
SAMPLED_EVERY = 9


def measuring(mode: ScoreMode, model: str) -> Measuring | None:
    """What is measured in the pass that encodes."""
    if mode == "none":
        return None
    return Measuring(model, SAMPLED_EVERY if mode == "sampled" else 1)


def pass_score(
    encoded: EncodedRung, conform: Conform, analysis: Analysis, measured: Measuring, into: Path
) -> RenditionScore | None:
    """The scores of a rung out of those of its chunks; None when one was not measured.

    Per-frame values are written to ``<rung>.npz`` in the folder.

    Raises:
        MachineError: when the file cannot be written.
    """
    scores = [one.scores for one in encoded.chunks if one.scores is not None]
    if len(scores) < len(encoded.chunks):
        return None
    names = scores[0].values
    return rendition_score(
        encoded.rung.id,
        conform,
        analysis.shots,
        np.concatenate([one.frame for one in scores]),
        {name: np.concatenate([one.values[name] for one in scores]) for name in names},
        into,
        every=measured.every,
        model=measured.model,
    )


def decoded_checksums(encoded: EncodedRung) -> Checksums | None:
    """Checksums of the pictures that a rung's chunks decode to; None when it was not measured."""
    sums = [one.checksums for one in encoded.chunks if one.checksums is not None]
    return np.concatenate(sums) if len(sums) == len(encoded.chunks) else None
