"""Whether a file shows the reference at another rate: so many pictures for every so many."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from encoder.score.signatures import Signatures, varying

# Of what is made of rates: 3:2 pulldown into 30 and 60 pictures, the pulldown of film into 25, and
# conversions between 24, 25, 30, 50 and 60.
_MORE = ((5, 4), (25, 24), (5, 2), (2, 1), (3, 2), (6, 5), (12, 5), (25, 12))
_RATIOS = (*(Fraction(a, b) for a, b in _MORE), *(Fraction(b, a) for a, b in _MORE))
# What is left of the squared difference from the best of one offset, and frames off the ratio.
_LEFT, _OFF = 0.5, 2
_SAMPLE = 200
# Where between two of its frames the reference is when the file begins.
_PHASES = (0.0, 0.25, 0.5, 0.75)
# In 8-bit code values: smaller differences are compression's.
_NOISE = 0.1


def find_conversion(reference: Signatures, distorted: Signatures, offset: int) -> Fraction | None:
    """Pictures of the file for each of the reference, where that explains it and no offset does.

    Args:
        reference: signatures of one file.
        distorted: of the other.
        offset: the likeliest, if its rate was not converted.
    """
    at = np.unique(np.linspace(0, len(distorted) - 1, _SAMPLE).astype(np.intp))
    seen = varying(distorted[at])
    constant = np.clip(at + offset, 0, len(reference) - 1)
    least = _LEFT * float(((seen - varying(reference[constant])) ** 2).sum())
    if least <= _LEFT * seen.size * _NOISE**2:
        return None
    best: Fraction | None = None
    for ratio in _RATIOS:
        if abs(len(reference) * ratio - len(distorted)) > _OFF * float(max(Fraction(1), ratio)):
            continue
        for phase in _PHASES:
            places = np.minimum((at / float(ratio) + phase).astype(np.intp), len(reference) - 1)
            left = float(((seen - varying(reference[places])) ** 2).sum())
            if left < least:
                best, least = ratio, left
    return best
