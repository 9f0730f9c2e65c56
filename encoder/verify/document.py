"""A verdict as plain data (``encoder.verify/1``) and as JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from encoder.report.plain import Plain
from encoder.report.text import encodable
from encoder.verify.verdict import Finding, Verdict

SCHEMA = "encoder.verify/1"


def verdict_document(verdict: Verdict, *, strict: bool = False) -> Plain:
    """The ``encoder.verify/1`` document; documented in docs/json-verbs.md.

    Args:
        verdict: what was concluded.
        strict: whether a broken should fails it.
    """
    return {
        "schema": SCHEMA,
        "path": verdict.path,
        "manifests": list(verdict.manifests),
        "passed": verdict.passed(strict=strict),
        "strict": strict,
        "must": verdict.count("must"),
        "should": verdict.count("should"),
        "findings": [
            {
                "rule": one.rule,
                "text": one.text,
                "severity": one.severity,
                "file": one.place.file,
                "line": one.place.line,
                "offset": one.place.offset,
                "found": one.found,
                "wanted": one.wanted,
                "fix": one.fix,
            }
            for one in verdict.findings
        ],
        "rules": [
            {
                "id": one.rule.id,
                "text": one.rule.text,
                "severity": one.rule.severity,
                "outcome": one.outcome,
                "why": one.why or None,
            }
            for one in verdict.rules
        ],
        "unread": list(verdict.unread),
    }


def junit_xml(verdict: Verdict, *, strict: bool = False) -> str:
    """A test case for each rule: a failure holds what breaks it, a rule not checked is skipped.

    A broken should is a failure only with ``strict``; otherwise it is told of in the case's output.
    """
    by_rule: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    suite = ET.Element("testsuite", {"name": "encoder verify", "tests": str(len(verdict.rules))})
    failures = skipped = 0
    for outcome in verdict.rules:
        names = {
            "classname": _clean(verdict.path),
            "name": f"{outcome.rule.id} {outcome.rule.text}",
        }
        case = ET.SubElement(suite, "testcase", names)
        found = by_rule.get(outcome.rule.id, [])
        text = _clean("\n".join(map(_line, found)))
        if any(strict or one.severity == "must" for one in found):
            failures += 1
            message = _clean(f"{found[0].found}; wanted: {found[0].wanted}")
            attributes = {"type": found[0].severity, "message": message}
            ET.SubElement(case, "failure", attributes).text = text
        elif found:
            ET.SubElement(case, "system-out").text = text
        elif outcome.outcome == "not checked":
            skipped += 1
            ET.SubElement(case, "skipped", {"message": outcome.why})
    suite.attrib |= {"failures": str(failures), "errors": "0", "skipped": str(skipped)}
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _line(one: Finding) -> str:
    place = one.place.file
    if one.place.line is not None:
        place += f":{one.place.line}"
    elif one.place.offset is not None:
        place += f"@{one.place.offset}"
    return f"{place}: {one.found}; wanted: {one.wanted}. {one.fix}."


def _clean(text: str) -> str:
    """Text that XML can hold, and UTF-8 encode."""
    return encodable("".join(c if c.isprintable() or c == "\n" else " " for c in text))
