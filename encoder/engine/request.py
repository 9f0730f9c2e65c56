"""What an ingest is asked for, and whether that has been done already.

The second needs little, and is asked before anything big is loaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from encoder import __version__
from encoder.engine.keys import Keys
from encoder.engine.publish import is_intact, read_published
from encoder.engine.store import Store, digest_key, key_of
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import BYTE_RANGES, Layout, Packaging
from encoder.media.policy import Policy
from encoder.media.protection import Protection
from encoder.text.sidecar import Sidecar
from encoder.text.sidecar import digest as digest_text

if TYPE_CHECKING:
    from encoder.ladder.evidence import EffortName

ScoreMode = Literal["none", "sampled", "full"]
REPORT_JSON = "report.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What an ingest is asked for.

    ``command`` is the command line, for the report; ``choices`` are the options of it that name the
    policy and what is changed in it, for commands that do part of the same. ``subtitles`` are files
    of further subtitles. ``layout`` is how tracks lie in the package. ``correct``: what of a rung
    misses what was expected is encoded again. ``keys`` are those that encrypt the package, and
    ``protect`` and ``clear_lead`` what asks for them on a command line.
    """

    master: Path
    output: Path
    policy: Policy
    effort: EffortName
    score: ScoreMode
    force: bool
    command: tuple[str, ...]
    choices: tuple[str, ...] = ()
    subtitles: tuple[Sidecar, ...] = ()
    correct: bool = True
    layout: Layout = BYTE_RANGES
    keys: Keys | None = None
    protect: str | None = None
    clear_lead: str | None = None

    @property
    def protection(self) -> Protection | None:
        """How the package is to be encrypted; None where it is to be clear."""
        return self.keys.protection if self.keys else None

    @property
    def packaging(self) -> Packaging:
        """How the package is to be made."""
        return Packaging(self.policy.segment_seconds, self.layout, self.protection)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ``encoder.ingest/1`` document, and whether the package had been there already."""

    document: dict[str, Any]
    up_to_date: bool


def fingerprint(ffmpeg: Ffmpeg, digest: str, request: Request) -> str:
    """A hash of all that determines the package, but for the content of the report.

    Content keys are in it by their identifiers alone.

    Args:
        ffmpeg: the program.
        digest: of the master's content.
        request: what is asked for.

    Raises:
        MasterError: when a file of subtitles cannot be read.
    """
    return key_of(
        {
            "master": digest,
            "name": request.master.name.encode("utf-8", "replace").decode(),
            "policy": request.policy.digest,
            "effort": request.effort,
            "score": request.score,
            "correct": request.correct,
            "layout": asdict(request.layout),
            "protection": None if request.keys is None else _protection(request.keys.protection),
            "encoder": __version__,
            "ffmpeg": ffmpeg.build,
            "subtitles": [
                [digest_text(one), one.language, list(one.traits)] for one in request.subtitles
            ],
        }
    )


def _protection(asked: Protection) -> dict[str, Any]:
    keys = sorted(
        [
            *(one.kid.hex(), one.vector.hex(), sorted(one.classes)),
            str((one.usages, one.signals, one.systems, one.address)),
        ]
        for one in asked.keys
    )
    return {
        "scheme": asked.scheme,
        "systems": sorted(asked.systems),
        "keys": keys,
        "clear_lead": str(asked.clear_lead),
    }


def published_already(output: Path, wanted: str) -> dict[str, Any] | None:
    """The document of the package that lies there whole, if its fingerprint is the wanted one."""
    published = read_published(output)
    if published is None or published.fingerprint != wanted or not is_intact(output, published):
        return None
    try:
        document: dict[str, Any] = json.loads((output / REPORT_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document


def up_to_date(store: Store, ffmpeg: Ffmpeg, request: Request) -> Outcome | None:
    """The outcome of a request whose package is there already; None when it has to be looked into.

    Raises:
        MachineError: when the store cannot be used.
    """
    try:
        entry = store.find("digest", digest_key(request.master))
    except OSError:
        return None
    if entry is None:
        return None
    document = published_already(request.output, fingerprint(ffmpeg, str(entry.value), request))
    return None if document is None else Outcome(document, True)
