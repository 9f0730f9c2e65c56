"""Nothing is published that breaks a rule that a package must keep."""

from __future__ import annotations

from pathlib import Path

from encoder.errors import PackageError
from encoder.media.protection import WHOLE, Protection
from encoder.verify.verify import verify

# What a policy asked for in so many words: `encoder verify` tells of it, but it is no defect of the
# package. A rate above 60 Hz, HDR without SDR, and cenc in HLS, which a key file asks for.
_CHOSEN = ("HLS 1.19", "HLS 1.24", "HLS 6.16", "HLS 13.11")

# Of segments that are encrypted whole, which a key file asks for, there are no I-frame playlists.
_NO_IFRAMES = "HLS 6.1"

# More would not help anybody to find the cause.
_MOST_NAMED = 3


def prove(folder: Path, protection: Protection | None = None) -> None:
    """Verifies a package that has been built, before it is published.

    Args:
        folder: the package.
        protection: how it is encrypted.

    Raises:
        PackageError: when it breaks a must; it names the rules.
    """
    verdict = verify(folder)
    whole = protection is not None and protection.scheme == WHOLE
    chosen = (*_CHOSEN, _NO_IFRAMES) if whole else _CHOSEN
    broken = [one for one in verdict.findings if one.severity == "must" and one.rule not in chosen]
    if broken:
        named = "; ".join(
            f"{one.rule} ({one.text}) in {one.place.file}: {one.found}, not {one.wanted}"
            for one in broken[:_MOST_NAMED]
        )
        more = len(broken) - _MOST_NAMED
        raise PackageError(
            "The package breaks rules that it must keep, and was not published",
            why=named + (f"; and {more} more" if more > 0 else ""),
            hint="Package again; if it happens again, the renditions are not what they should be",
        )
