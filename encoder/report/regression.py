"""A comparison of runs as JSON, text, JUnit XML and Markdown; and the baseline file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from encoder.media.regression import Check, RegressionReport, RunMeasure
from encoder.media.serial import to_plain
from encoder.report.plain import Plain, number

REGRESSION_SCHEMA = "encoder.regression/1"
BASELINE_SCHEMA = "encoder.baseline/1"
_PRECISE = 6


def baseline_document(runs: Sequence[RunMeasure]) -> Plain:
    """What was measured of each clip, in the order of their names."""
    return {
        "schema": BASELINE_SCHEMA,
        "clips": [to_plain(run) for run in sorted(runs, key=lambda run: (run.clip, run.digest))],
    }


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that shows a frame which failed: of which clip and rung, and what is seen."""

    clip: str
    rung: str
    frame: int
    kind: str
    path: str


def regression_document(
    reports: Sequence[RegressionReport], pictures: Sequence[Picture] = ()
) -> Plain:
    """All checks of all clips."""
    return {
        "schema": REGRESSION_SCHEMA,
        "passed": all(report.passed for report in reports),
        "clips": [
            {
                "clip": report.clip,
                "passed": report.passed,
                "conditions": list(report.conditions),
                "bd_rates": [
                    {"score": score, "percent": number(value, _PRECISE)}
                    for score, value in report.bd_rates.items()
                ],
                "encode_time_ratio": number(report.time_ratio, _PRECISE),
                "checks": [
                    {
                        "gate": check.gate,
                        "rung": check.rung,
                        "passed": check.passed,
                        "baseline": number(check.baseline, _PRECISE),
                        "candidate": number(check.candidate, _PRECISE),
                        "change": number(check.change, _PRECISE),
                        "allowed": check.allowed,
                        "message": check.message,
                        "shot": check.shot,
                        "frame": check.frame,
                    }
                    for check in report.checks
                ],
            }
            for report in reports
        ],
        "pictures": [
            {"clip": p.clip, "rung": p.rung, "frame": p.frame, "kind": p.kind, "path": p.path}
            for p in pictures
        ],
    }


def junit_text(reports: Sequence[RegressionReport]) -> str:
    """JUnit XML: a suite a clip, a case for each rung and gate."""
    failures = sum(not check.passed for report in reports for check in report.checks)
    root = ET.Element(
        "testsuites",
        name="encoder compare",
        tests=str(sum(len(report.checks) for report in reports)),
        failures=str(failures),
        errors="0",
    )
    for report in reports:
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_xml(report.clip),
            tests=str(len(report.checks)),
            failures=str(sum(not check.passed for check in report.checks)),
            errors="0",
            skipped="0",
        )
        seen: Counter[tuple[str, str]] = Counter()
        for check in report.checks:
            place = check.rung or "all rungs"
            seen[place, check.gate] += 1
            # Two gates may be of one metric and pooling; readers tell cases apart by their names.
            again = f" ({seen[place, check.gate]})" if seen[place, check.gate] > 1 else ""
            case = ET.SubElement(
                suite,
                "testcase",
                classname=_xml(f"{report.clip}.{place}"),
                name=_xml(f"{check.gate}{again}"),
            )
            if not check.passed:
                failure = ET.SubElement(case, "failure", message=_xml(check.message))
                failure.text = _xml(f"{place}, {check.gate}: {check.message}; {_allowance(check)}")
        if report.conditions:
            ET.SubElement(suite, "system-out").text = _xml("\n".join(report.conditions))
    ET.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ET.tostring(root, "unicode") + "\n"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n" or (" " <= c < "\ud800") or c > "\udfff" else "?" for c in text)


def _allowance(check: Check) -> str:
    return f"allowed: {check.allowed}"


def markdown_text(reports: Sequence[RegressionReport], pictures: Sequence[Picture] = ()) -> str:
    """A comment for a pull request: failures first, the rest folded away."""
    lines = []
    for report in reports:
        failed = [check for check in report.checks if not check.passed]
        verdict = f"{len(failed)} of {len(report.checks)} gates failed" if failed else "all good"
        lines += [f"### {_cell(report.clip)}: {verdict}", ""]
        rates = [
            f"{score} {value:+.2f}%"
            for score, value in report.bd_rates.items()
            if value is not None
        ]
        if rates:
            lines += [f"BD-rate: {', '.join(rates)} (negative: fewer bits).", ""]
        if report.conditions:
            lines += ["Measured under other conditions: " + _cell("; ".join(report.conditions)), ""]
        if failed:
            lines += [*_rows(failed), ""]
        own = [picture for picture in pictures if picture.clip == report.clip]
        for rung, frame in dict.fromkeys((p.rung, p.frame) for p in own):
            shown = [p for p in own if (p.rung, p.frame) == (rung, frame)]
            lines += [
                f"**{_cell(rung)}, frame {frame}**",
                "",
                f"| {' | '.join(_cell(p.kind) for p in shown)} |",
                f"|{'---|' * len(shown)}",
                f"| {' | '.join(f'![{_cell(p.kind)}]({_address(p.path)})' for p in shown)} |",
                "",
            ]
        passed = [check for check in report.checks if check.passed]
        if passed:
            lines += [
                f"<details><summary>{len(passed)} gates passed</summary>",
                "",
                *_rows(passed),
                "",
                "</details>",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


def _rows(checks: Sequence[Check]) -> list[str]:
    return [
        "| rung | gate | found | allowed |",
        "|---|---|---|---|",
        *(
            f"| {_cell(c.rung or 'all')} | {_cell(c.gate)} | {_cell(c.message)} | "
            f"{_cell(c.allowed)} |"
            for c in checks
        ),
    ]


def _address(path: str) -> str:
    """A path as Markdown takes it."""
    return quote(path, safe="/._-~")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def plain_text(reports: Sequence[RegressionReport]) -> str:
    """A line a gate and rung."""
    lines = []
    for report in reports:
        lines.append(f"{report.clip}: {'pass' if report.passed else 'FAIL'}")
        for score, value in report.bd_rates.items():
            if value is not None:
                lines.append(f"  BD-rate by {score}: {value:+.2f}%")
        if report.time_ratio is not None:
            lines.append(f"  encode time: {report.time_ratio:.2f}x")
        lines += [f"  other conditions: {one}" for one in report.conditions]
        for check in report.checks:
            mark = "pass" if check.passed else "FAIL"
            place = f" {check.rung}" if check.rung else ""
            lines.append(f"  {mark}  {check.gate}{place}: {check.message} ({_allowance(check)})")
    return "\n".join(lines) + "\n"
