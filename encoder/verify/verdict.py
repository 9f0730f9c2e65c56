"""What was found: rules, findings, and the verdict on a package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from encoder.verify.subject import Subject

Severity = Literal["must", "should"]
Needs = Literal["hls", "multivariant", "dash", "media", "folder", "schema", "scores"]
Outcome = Literal["kept", "broken", "not checked"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong: a file relative to the root of what is verified, and a line of it
    (from 1) or the offset of a byte, where either is known."""

    file: str
    line: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule's complaint. ``severity`` and ``fix`` are given where the rule's own do not fit."""

    place: Place
    found: str
    wanted: str
    severity: Severity | None = None
    fix: str = ""


Check = Callable[["Subject"], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``id`` is the document and its number, ``text`` what it demands, ``needs`` what
    must have been read for it to be checked, ``fix`` how to mend what breaks it."""

    id: str
    text: str
    severity: Severity
    needs: Needs
    fix: str
    check: Check


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at one place."""

    rule: str
    text: str
    severity: Severity
    place: Place
    found: str
    wanted: str
    fix: str


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What became of a rule: ``why`` says why it was not checked, and is empty otherwise."""

    rule: Rule
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was concluded on a package.

    ``path`` is what was given, ``manifests`` what was read, relative to its folder. ``unread`` says
    in sentences which parts could not be looked into, so that silence about them means nothing.
    """

    path: str
    manifests: tuple[str, ...]
    findings: tuple[Finding, ...]
    rules: tuple[RuleOutcome, ...]
    unread: tuple[str, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of a severity."""
        return sum(one.severity == severity for one in self.findings)

    def passed(self, *, strict: bool = False) -> bool:
        """Whether no must is broken; with ``strict``, no should either."""
        return not (self.findings if strict else self.count("must"))
