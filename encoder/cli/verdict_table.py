"""A verdict for people, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from encoder.cli.tables import console, line, row, table

if TYPE_CHECKING:
    from encoder.verify.verdict import Place, Verdict


def print_verdict(verdict: Verdict, *, strict: bool, every: bool) -> None:
    """Prints what was found, what could not be looked into, and the conclusion.

    Args:
        verdict: the verdict.
        strict: whether a broken should counts.
        every: whether the rules that were kept, or not checked, are listed as well.
    """
    out = console()
    if verdict.findings:
        made = table("", "rule", "", "where", "found", "wanted")
        for one in verdict.findings:
            row(made, one.rule, one.severity, place_text(one.place), one.found, one.wanted)
        out.print(made)
        fixes = {one.rule: (one.text, one.fix) for one in verdict.findings}
        for rule, (text, fix) in fixes.items():
            out.print(line(f"{rule}: {text}. {fix}."))
        out.print()
    if every:
        made = table("", "rule", "what it demands", "outcome")
        for outcome in verdict.rules:
            state = f"{outcome.outcome}: {outcome.why}" if outcome.why else outcome.outcome
            row(made, outcome.rule.id, outcome.rule.text, state)
        out.print(made)
    for text in verdict.unread:
        out.print(line(f"Not looked into: {text}"))
    skipped = {one.why for one in verdict.rules if one.outcome == "not checked"}
    for why in sorted(skipped):
        count = sum(one.why == why for one in verdict.rules)
        out.print(line(f"{count} {'rule' if count == 1 else 'rules'} not checked: {why}"))
    kept = sum(one.outcome == "kept" for one in verdict.rules)
    broken = f"{verdict.count('must')} must, {verdict.count('should')} should"
    word = "passed" if verdict.passed(strict=strict) else "failed"
    out.print(line(f"{verdict.path}: {word}; findings: {broken}; {kept} rules kept"))


def place_text(place: Place) -> str:
    """A place as ``file:line`` or ``file@byte``."""
    if place.line is not None:
        return f"{place.file}:{place.line}"
    return place.file if place.offset is None else f"{place.file}@{place.offset}"
