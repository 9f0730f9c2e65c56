"""Reads what a path leads to and holds every rule against it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from encoder.errors import MasterError
from encoder.verify import (
    rules_dash,
    rules_dash_media,
    rules_dash_sets,
    rules_dash_times,
    rules_headers,
    rules_iframes,
    rules_multivariant,
    rules_ours,
    rules_pictures,
    rules_playlist,
    rules_protection,
    rules_rates,
    rules_renditions,
    rules_sync,
    rules_tags,
    rules_text,
    rules_track,
)
from encoder.verify.files import LARGEST_MANIFEST, Files
from encoder.verify.load_dash import load_dash
from encoder.verify.load_hls import Media, load_hls
from encoder.verify.pictures import maps_beside
from encoder.verify.subject import Subject
from encoder.verify.verdict import Finding, Hit, Place, Rule, RuleOutcome, Verdict

RULES: tuple[Rule, ...] = (
    *rules_multivariant.RULES,
    *rules_rates.RULES,
    *rules_renditions.RULES,
    *rules_tags.RULES,
    *rules_playlist.RULES,
    *rules_iframes.RULES,
    *rules_track.RULES,
    *rules_headers.RULES,
    *rules_sync.RULES,
    *rules_text.RULES,
    *rules_dash.RULES,
    *rules_dash_media.RULES,
    *rules_dash_sets.RULES,
    *rules_dash_times.RULES,
    *rules_protection.RULES,
    *rules_pictures.RULES,
    *rules_ours.RULES,
)

# Of a rule; more help nobody.
_MOST_FINDINGS = 1000


def verify(path: Path, *, schema: Path | None = None) -> Verdict:
    """The verdict on a package.

    Args:
        path: a package's folder, a playlist (multivariant or media) or an MPD.
        schema: DASH-MPD.xsd, to validate an MPD against as well.

    Raises:
        MasterError: when there is nothing there that can be verified.
        UsageError: when the schema cannot be read.
        MachineError: when there is a schema and no means to validate.
    """
    root, manifests = _manifests(path)
    files = Files(root)
    try:
        subject = Subject(files, path.is_dir(), schema=schema)
        subject.facts = _facts(subject) if path.is_dir() else {}
        media = Media()
        for name in manifests:
            if name.endswith(".mpd"):
                load_dash(subject, name, media)
            else:
                load_hls(subject, name, media)
        _load_beside(subject)
        _note_unknown(subject)
        findings: list[Finding] = []
        outcomes = []
        for rule in RULES:
            if why := _missing(subject, rule):
                outcomes.append(RuleOutcome(rule, "not checked", why))
                continue
            found = [_finding(rule, hit) for hit in islice(rule.check(subject), _MOST_FINDINGS)]
            if len(found) == _MOST_FINDINGS:
                subject.unread.append(f"{rule.id} is broken so often that the rest is not told")
            outcomes.append(RuleOutcome(rule, "broken" if found else "kept"))
            findings += found
    finally:
        files.close()
    findings = list(dict.fromkeys(findings))
    findings.sort(key=lambda one: one.severity != "must")
    return Verdict(
        path=str(path),
        manifests=tuple(manifests),
        findings=tuple(findings),
        rules=tuple(outcomes),
        unread=tuple(dict.fromkeys(subject.unread)),
    )


def _load_beside(subject: Subject) -> None:
    """What belongs to a package though no manifest names it: sprite maps and a poster."""
    for found in maps_beside(subject.files, subject.pictures) if subject.folder else ():
        subject.sprite_maps.append(found)
        subject.declared.add(found.name)
        subject.declared.add(posixpath.join(posixpath.dirname(found.name), "poster.jpg"))


def _note_unknown(subject: Subject) -> None:
    """Says of which tracks the samples do not show whether decoding can start there."""
    for stream in subject.tracks():
        coding = stream.header.coding if stream.header else None
        hidden = any(one.picture.start == "unknown" for one in stream.fragments())
        if stream.kind == "video" and coding and hidden:
            why = f"encrypted ({coding.scheme})" if coding.scheme else coding.kind
            subject.unread.append(
                f"{stream.label} is {why}: where decoding can start is taken from its headers alone"
            )


def _finding(rule: Rule, hit: Hit) -> Finding:
    return Finding(
        rule=rule.id,
        text=rule.text,
        severity=hit.severity or rule.severity,
        place=hit.place,
        found=hit.found,
        wanted=hit.wanted,
        fix=hit.fix or rule.fix,
    )


def _manifests(path: Path) -> tuple[Path, list[str]]:
    """The folder of a package and its manifests."""
    try:
        if path.is_dir():
            names = sorted(one.name for one in path.iterdir() if one.is_file())
            mpds = [name for name in names if name.endswith(".mpd")]
            playlists = [name for name in names if name.endswith(".m3u8")]
            masters = [n for n in playlists if b"#EXT-X-STREAM-INF" in _start(path / n)]
            found = (masters[:1] or playlists[:1]) + mpds[:1]
            if found:
                return path, found
            why = "the folder has no .m3u8 and no .mpd"
        elif path.is_file():
            filled = path.stat().st_size > 0
            if path.suffix in (".m3u8", ".mpd", ".m3u"):
                with path.open("rb"):
                    return path.parent, [path.name]
            why = "it is no .m3u8 and no .mpd" + (", but a file" if filled else ": it is empty")
        else:
            why = "there is no such file or folder"
    except OSError as error:
        why = error.strerror or str(error)
    raise MasterError(
        "There is nothing to verify",
        where=str(path),
        why=why,
        hint="Give the folder of a package, a .m3u8 or a .mpd",
    )


def _start(path: Path) -> bytes:
    """What a playlist may be known by."""
    with path.open("rb") as file:
        return file.read(LARGEST_MANIFEST)


def _missing(s: Subject, rule: Rule) -> str:
    """Why a rule cannot be checked; empty when it can."""
    if rule.needs in ("multivariant", "scores") and s.master is None:
        return "there is no multivariant playlist"
    if rule.needs == "hls" and not s.playlists:
        return "there is no HLS playlist"
    if rule.needs in ("dash", "schema") and not s.mpd:
        return "there is no MPD"
    if rule.needs == "schema" and s.schema is None:
        return "no DASH-MPD.xsd was given (--dash-schema)"
    if rule.needs == "folder" and not s.folder:
        return "a manifest was given, not a folder"
    if rule.needs == "scores" and not s.facts.get("vmaf"):
        return "no measured scores lie beside it (report.json)"
    if rule.needs == "media" and not any(s.tracks()) and not s.problems:
        return "no track could be read from its boxes"
    return ""


# What reading a document of another shape than it says it has may raise.
_MISSHAPEN = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def _facts(subject: Subject) -> Mapping[str, Any]:
    """What a folder of ours says of itself: its files, frames, and scores by file."""
    facts: dict[str, Any] = {}
    for name, schema, read in (
        ("package.json", "encoder.published/1", _published),
        ("report.json", "encoder.ingest/1", _reported),
    ):
        try:
            document = json.loads(subject.files.text(name) or b"{}")
            if isinstance(document, dict) and document.get("schema") == schema:
                facts |= read(document)
        except (*_MISSHAPEN, RecursionError) as error:
            found = f"{type(error).__name__}: {error}"
            subject.problem("OURS boxes", Place(name), found, f"a document of {schema}")
    return facts


def _published(document: Mapping[str, Any]) -> dict[str, Any]:
    """The files that were published, with their sizes, and what is known of the poster."""
    files = {str(name): int(size) for name, size in (document.get("files") or {}).items()}
    return {"files": files, "poster": document.get("poster")}


def _reported(report: Mapping[str, Any]) -> dict[str, Any]:
    """The master's frames, and the measured VMAF of each file."""
    return {
        "poster": (report.get("package") or {}).get("poster"),
        "frames": max(int(one["end"]) for one in report["shots"]),
        "vmaf": {
            str(one["path"]): float(one["scores"]["vmaf"]["mean"])
            for one in report["renditions"]
            if one["scores"] and one["scores"]["vmaf"]
        },
    }
