"""The clear lead: the segments at the start of a title that are not encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from encoder.errors import PackageError
from encoder.media.protection import Protection


def clear_segments(protection: Protection, starts: Sequence[Fraction]) -> int:
    """How many segments stay clear: those that start within the lead.

    Args:
        protection: with the lead.
        starts: when the segments start, in seconds.
    """
    return sum(one < protection.clear_lead for one in starts)


def check_lead(protection: Protection | None, starts: Sequence[Fraction], where: str) -> None:
    """Makes sure that a clear lead leaves something to encrypt.

    Args:
        protection: with the lead; None where nothing is encrypted.
        starts: when the segments start, in seconds. Before they are known, the end of the title
            alone: a lead that reaches it reaches every segment.
        where: the title, for messages.

    Raises:
        PackageError: when all segments start within the lead.
    """
    if protection is None or clear_segments(protection, starts) < len(starts):
        return
    raise PackageError(
        "The clear lead leaves nothing to encrypt",
        where=where,
        why=f"all segments start within its {float(protection.clear_lead):g} s",
        hint="Give a shorter --clear-lead, or shorter segments",
    )
