"""What is known of a shot's rate-quality surface before, and after, a few trials.

A shot's surface is described by three numbers at each node of a small grid of scales (the side of
the coded picture over the master's) and CRFs: log2 of the bits of an IDR picture and of any
other picture, both per pixel of a master's picture, and VMAF on a logistic scale. Over many real
shots these numbers move together: they lie near a plane of few dimensions, and where on it follows
in part from the shot's complexity. The prior is that knowledge as a Gaussian, fitted by
``scripts/train/fit.py``; trials condition it (the textbook update, Rasmussen and Williams 2006,
A.6). Between nodes everything follows natural cubic splines, so that all of it stays linear.

A trial is short: its window of some dozen frames starts with an IDR picture and sees little of the
shot. What it says differs from the whole shot in a way that was learned as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoder.errors import UsageError
from encoder.media.ladder import Trial
from encoder.media.shots import DETAIL_SCALES, Complexity

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

Array = NDArray[np.float64]

# Frames of a window that was learned from, and of one that says all there is to know.
WINDOW_FRAMES = 12
_WHOLE_FRAMES = 40
# What a measurement itself is uncertain by: octaves of bits, and logits of VMAF.
_NOISE = (0.03, 0.03, 0.04)
# Of all frames of a shot there is no luck in which were tried: what is left is in the splines and
# in which frames were scored.
_OF_WHOLE = 0.3
# VMAF saturates at both ends; on a logistic scale it is nearly straight in CRF. The margin keeps a
# measured 100 from counting as far above 99, as it may be anything.
_MARGIN = 5.0
# Squared code values of detail below which encoders see none.
_LEAST_DETAIL = 0.3
# How many :func:`features` has.
_FEATURES = 10 + len(DETAIL_SCALES)
# Features of a shot far from all that was learned from count as at the border.
_MOST_DEVIATIONS = 3.0


def logit(vmaf: Array) -> Array:
    """VMAF on a logistic scale that goes a little beyond 0 and 100."""
    share = (np.clip(vmaf, 0.0, 100.0) + _MARGIN) / (100.0 + 2 * _MARGIN)
    return np.asarray(np.log(share / (1.0 - share)))


def from_logit(value: Array) -> Array:
    """The inverse of :func:`logit`, within 0 and 100."""
    return np.clip((100.0 + 2 * _MARGIN) / (1.0 + np.exp(-value)) - _MARGIN, 0.0, 100.0)


def features(complexity: Complexity, width: int, height: int, frame_rate: float) -> Array:
    """What the prior's mean depends on: logarithms of the complexity, of size and of rate.

    What is lost by scaling alone bounds the quality of each resolution, and says where a larger one
    begins to be worth its bits.

    Args:
        complexity: of the shot.
        width: of the reference pictures.
        height: of the reference pictures.
        frame_rate: frames per second.
    """
    spatial, temporal = np.log(complexity.spatial + 1.0), np.log(complexity.temporal + 1.0)
    texture = np.log(complexity.texture + 1.0)
    return np.array(
        [
            spatial,
            temporal,
            texture,
            np.log(complexity.noise + 0.2),
            complexity.brightness / 64.0,
            np.log2(width * height / 921_600),
            np.log2(frame_rate / 25.0),
            temporal * texture,
            texture * texture,
            temporal * temporal,
            *np.log(np.array(complexity.detail) + _LEAST_DETAIL),
        ]
    )


@dataclass(frozen=True, slots=True)
class Prior:
    """The Gaussian over surfaces of one codec.

    With ``n`` = 3 x scales x CRFs, the values being ordered (kind, scale, CRF), the kinds bits of
    IDR pictures, bits of others, VMAF:

    ``scales`` and ``crfs`` are the nodes, both ascending; ``centre`` and ``spread`` standardise
    :func:`features`; ``coefficients`` (features + 1, n) give the mean, the constant last;
    ``covariance`` (n, n) is what features leave open; ``window_mean`` (n) and ``window_covariance``
    (n, n) are of how a window of :data:`WINDOW_FRAMES` frames differs from its shot. ``alike`` is
    the correlation of what is left open between two shots with the same features, ``widening`` the
    factor by which intervals must be widened to hold what they promise. ``preset`` is the encoder's
    that was learned from.
    """

    codec: str
    preset: str
    scales: Array
    crfs: Array
    centre: Array
    spread: Array
    coefficients: Array
    covariance: Array
    window_mean: Array
    window_covariance: Array
    alike: float
    widening: float

    @property
    def nodes(self) -> int:
        """The number of nodes of the grid."""
        return len(self.scales) * len(self.crfs)

    def standard(self, shot: Array) -> Array:
        """Features as deviations from what was learned from."""
        found = (shot - self.centre) / self.spread
        return np.clip(found, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)

    def mean(self, shot: Array) -> Array:
        """The expected surface (n) of a shot with these :func:`features`."""
        return np.asarray(np.append(self.standard(shot), 1.0) @ self.coefficients)

    def weights(self, scale: float, crf: float) -> Array:
        """How the value at a scale and a CRF follows from those at the nodes, shape (nodes)."""
        across = _spline(tuple(np.log2(self.scales)), float(np.log2(scale)))
        along = _spline(tuple(self.crfs), float(crf))
        return np.asarray(np.outer(across, along).ravel())

    def at_crfs(self, codec: str, crfs: Array) -> Prior:
        """This prior for a codec whose CRFs mean what the nodes' do here."""
        return replace(self, codec=codec, crfs=crfs)

    def without_knowledge_of(self, octaves: float, logits: float) -> Prior:
        """This prior where another preset or encoder shifts all rates and qualities by as much."""
        shift = np.zeros_like(self.covariance)
        rates = slice(0, 2 * self.nodes)
        shift[rates, rates] = octaves**2
        shift[2 * self.nodes :, 2 * self.nodes :] = logits**2
        return replace(self, covariance=self.covariance + shift)


@lru_cache(maxsize=4096)
def _spline_basis(nodes: tuple[float, ...]) -> CubicSpline:
    # Not at the top: SciPy takes half a second to load, and most verbs need none of it.
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.array(nodes), np.eye(len(nodes)), bc_type="natural")


@lru_cache(maxsize=65536)
def _spline(nodes: tuple[float, ...], at: float) -> Array:
    """Weights of the nodes' values in a natural cubic spline; straight beyond the ends."""
    basis = _spline_basis(nodes)
    inside = min(max(at, nodes[0]), nodes[-1])
    return np.asarray(basis(inside) + (at - inside) * basis(inside, 1))


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of one shot: its surface at the nodes, and how its window differs from it.

    ``mean`` (n) and ``covariance`` (n, n) are the surface's; ``joint`` (2n, 2n) is the covariance
    of the surface and of the window's difference together.
    """

    mean: Array
    covariance: Array
    joint: Array


def believe(
    prior: Prior, shot: Array, frames: int, trials: Sequence[Trial], pixels: int, side: int
) -> Belief:
    """Conditions the prior on trials of a shot.

    Args:
        prior: of the codec.
        shot: its :func:`features`.
        frames: of the shot.
        trials: of this shot.
        pixels: of a reference picture.
        side: the greater side of a reference picture.
    """
    mean = prior.mean(shot)
    count = len(mean)
    joint = np.zeros((2 * count, 2 * count))
    joint[:count, :count] = prior.covariance
    joint[count:, count:] = prior.window_covariance
    if not trials:
        return Belief(mean, prior.covariance, joint)
    rows, seen, noise = [], [], []
    expected = np.concatenate([mean, prior.window_mean])
    for trial in trials:
        part = window_part(trial.frames, frames)
        sure = _OF_WHOLE if trial.frames >= frames else 1.0
        for row, value, deviation in _observations(prior, trial, pixels, side):
            rows.append(np.concatenate([row, part * row]))
            seen.append(value)
            noise.append((sure * deviation) ** 2)
    observe = np.array(rows)
    across = joint @ observe.T
    gain = np.linalg.solve(observe @ across + np.diag(noise), across.T).T
    posterior = joint - gain @ across.T
    settled = expected + gain @ (np.array(seen) - observe @ expected)
    return Belief(settled[:count], posterior[:count, :count], posterior)


def measured_noise(kind: int) -> float:
    """What a measurement is uncertain by: octaves for bits (kinds 0 and 1), logits for VMAF (2)."""
    return _NOISE[kind]


def window_part(frames: int, shot: int) -> float:
    """How much of the difference between window and shot a trial of so many frames of one has.

    None where it has all of the shot.
    """
    missing = min(shot, _WHOLE_FRAMES) - frames
    return float(np.clip(missing / (_WHOLE_FRAMES - WINDOW_FRAMES), 0.0, 1.5))


def scale_of(width: int, height: int, side: int) -> float:
    """The scale of a coded picture: its greater side over that of the reference pictures."""
    return max(width, height) / side


def _observations(
    prior: Prior, trial: Trial, pixels: int, side: int
) -> list[tuple[Array, float, float]]:
    """Rows over the surface's values, what was seen, and how far that may be off."""
    weights = prior.weights(scale_of(trial.width, trial.height, side), trial.crf)
    found = []
    parts: list[float | None] = [None, None, None]
    if trial.key_frames:
        parts[0] = np.log2(max(trial.key_bits, 8) / trial.key_frames / pixels)
    others = trial.frames - trial.key_frames
    if others > 0:
        parts[1] = np.log2(max(trial.other_bits, 8 * others) / others / pixels)
    parts[2] = float(logit(np.array(trial.vmaf)))
    for kind, value in enumerate(parts):
        if value is not None:
            row = np.zeros(3 * prior.nodes)
            row[kind * prior.nodes : (kind + 1) * prior.nodes] = weights
            found.append((row, value, _NOISE[kind]))
    return found


def inherit(
    prior: Prior, shot: Array, other: Array, belief: Belief, share: float, covariance: Array
) -> Belief:
    """What is known of a shot without trials from one that looks like it and has some.

    Args:
        prior: of the codec.
        shot: the :func:`features` of the shot.
        other: those of the other shot.
        belief: what is known of the other.
        share: their :func:`likeness`.
        covariance: from :func:`mixed` for that share.
    """
    mean = prior.mean(shot) + share * (belief.mean - prior.mean(other))
    return Belief(mean, covariance, belief.joint)


def mixed(prior: Prior, belief: Belief, share: float) -> Array:
    """The covariance of a shot's surface that is so much like one of which something is known."""
    return np.asarray((1 - share**2) * prior.covariance + share**2 * belief.covariance)


def likeness(prior: Prior, shot: Array, other: Array) -> float:
    """The correlation of what features leave open of two shots, the less the further apart.

    In steps of a tenth, so that shots share what follows from it.
    """
    apart = prior.standard(shot) - prior.standard(other)
    return round(prior.alike * float(np.exp(-0.5 * np.mean(apart**2) / 0.25)), 1)


# A folder of priors of one's own, as scripts/train/fit.py makes them.
ENVIRONMENT_VARIABLE = "ENCODER_PRIORS"


def load_prior(codec: str) -> Prior | None:
    """The prior for a codec: from the folder ENCODER_PRIORS, or else the one that comes with the
    program; None where there is none.

    Raises:
        UsageError: when a file there is no prior.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    path = Path(chosen) / f"{codec}.npz" if chosen else None
    if path is None or not path.is_file():
        path = Path(str(files("encoder.ladder"))) / "priors" / f"{codec}.npz"
    if not path.is_file():
        return None
    try:
        return _read(path, codec)
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            "The prior cannot be read",
            where=str(path),
            why=str(error),
            hint=f"Make it again with scripts/train/fit.py, or unset {ENVIRONMENT_VARIABLE}",
        ) from error


def _read(path: Path, codec: str) -> Prior:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        if stored["centre"].shape != (_FEATURES,):
            raise ValueError(f"it is of {stored['centre'].size} features, not of {_FEATURES}")
        return Prior(
            codec=codec,
            preset=str(stored["preset"]),
            alike=float(stored["alike"]),
            widening=float(stored["widening"]),
            **{
                name: stored[name].astype(np.float64)
                for name in (
                    "scales",
                    "crfs",
                    "centre",
                    "spread",
                    "coefficients",
                    "covariance",
                    "window_mean",
                    "window_covariance",
                )
            },
        )
