"""Reads policies: the YAML files of ``ladders/``, or a file of the user's own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import yaml

from encoder.codecs import check_preset, codec_named
from encoder.errors import UsageError, unreadable
from encoder.ladder.read_audience import audience_field
from encoder.ladder.shipped import policy_folder
from encoder.ladder.strict_yaml import (
    Mapped,
    Source,
    choice,
    compose,
    fraction,
    items,
    number,
    or_none,
    text,
    truth,
    whole,
)
from encoder.media.policy import AudioPolicy, FixedRung, PicturesPolicy, Policy, Spacing
from encoder.media.serial import to_json

DEFAULT_POLICY = "per-title"
_BITRATE = whole(1_000, 1_000_000_000)


def shipped_policies() -> tuple[str, ...]:
    """The names of the policies that come with the program."""
    return tuple(sorted(path.stem for path in policy_folder().glob("*.yaml")))


def load_policy(choice_: str, *, codec: str | None = None, preset: str | None = None) -> Policy:
    """The policy of that name, or in that file.

    Args:
        choice_: a name that comes with the program, or the path of a YAML file.
        codec: overrides the policy's codec; its preset goes with it.
        preset: overrides the preset.

    Raises:
        UsageError: when there is no such policy, or it is wrong; the message has file, line and
            column.
    """
    path = Path(choice_)
    shipped = shipped_policies()
    if choice_ in shipped:
        path = policy_folder() / f"{choice_}.yaml"
    elif not path.is_file():
        raise UsageError(
            "No such policy",
            where=choice_,
            hint=f"Give the path of a YAML file, or one of {', '.join(shipped)}",
        )
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "The policy cannot be read", where=str(path), why=unreadable(error)
        ) from error
    policy = parse_policy(Source(str(path), written), path.stem)
    if codec is not None and codec != policy.codec:
        policy = replace(policy, codec=codec_named(codec).name, preset=None, max_level=None)
    if preset is not None:
        policy = replace(policy, preset=preset)
    if policy.preset is not None:
        check_preset(codec_named(policy.codec), policy.preset)
    return replace(policy, digest=_digest(policy))


def parse_policy(source: Source, name: str) -> Policy:
    """The policy in a YAML text; its ``digest`` is left empty.

    Raises:
        UsageError: when anything in it is not as it must be.
    """
    root = Mapped(source, compose(source), "the policy")
    kind = root.take("kind", choice(("per-title", "fixed")), required=True)
    policy = Policy(
        name=name,
        digest="",
        description=root.take("description", text, required=True),
        kind="fixed" if kind == "fixed" else "per-title",
        codec=root.take("codec", _codec, "h264"),
        preset=root.take("preset", or_none(text), None),
        heights=root.take("heights", items(whole(64, 8640)), ()),
        max_frame_rate=root.take("max_frame_rate", fraction(1, 240), Fraction(60)),
        top_vmaf=root.take("top_vmaf", number(20, 100), 95.0),
        floor_vmaf=root.take("floor_vmaf", number(0, 95), 40.0),
        max_bitrate=root.take("max_bitrate", _BITRATE, 20_000_000),
        min_bitrate=root.take("min_bitrate", _BITRATE, 100_000),
        comfort_bitrate=root.take("comfort_bitrate", _BITRATE, 192_000),
        shot_floor=root.take("shot_floor", number(1, 100), 20.0),
        max_rungs=root.take("max_rungs", whole(1, 20), 10),
        spacing=root.take("spacing", _spacing, Spacing(6.0, 2.0, 1.5, 2.0)),
        peak_over_average=root.take("peak_over_average", number(1.1, 10), 1.8),
        buffer_seconds=root.take("buffer_seconds", number(0.2, 10), 1.0),
        gop_seconds=root.take("gop_seconds", fraction(0, 10), Fraction(2)),
        segment_seconds=root.take("segment_seconds", fraction(1, 30), Fraction(6)),
        reference=root.take("reference", or_none(text), None),
        rungs=root.take("rungs", items(_fixed_rung), ()),
        audio=root.take("audio", _audio, AudioPolicy()),
        audience=root.take("audience", or_none(audience_field), None),
        pictures=root.take("pictures", _pictures, PicturesPolicy()),
        max_level=root.take("max_level", or_none(text), None),
    )
    root.done()
    _check(source, policy)
    return policy


def _check(source: Source, policy: Policy) -> None:
    def wrong(why: str, hint: str = "") -> UsageError:
        return source.wrong(None, why, hint)

    if policy.kind == "fixed" and not policy.rungs:
        raise wrong("a fixed policy needs `rungs`")
    if policy.kind == "per-title" and policy.rungs:
        raise wrong("a per-title policy has no `rungs`", "Remove them, or set kind: fixed")
    if policy.kind == "per-title" and not policy.heights:
        raise wrong("a per-title policy needs `heights`")
    if len(set(policy.heights)) != len(policy.heights) or any(h % 2 for h in policy.heights):
        raise wrong("`heights` must be different even numbers")
    if policy.min_bitrate >= policy.max_bitrate:
        raise wrong("`min_bitrate` must be below `max_bitrate`")
    if policy.floor_vmaf >= policy.top_vmaf:
        raise wrong("`floor_vmaf` must be below `top_vmaf`")
    if policy.gop_seconds <= 0 or policy.gop_seconds > policy.segment_seconds:
        raise wrong("`gop_seconds` must be above 0 and at most `segment_seconds`")
    if policy.max_level is not None:
        try:
            codec_named(policy.codec).level(policy.max_level)
        except UsageError as error:
            raise wrong(f"{policy.codec} has no level `{policy.max_level}`", error.hint) from error
    spacing = policy.spacing
    if spacing.min_ratio > spacing.max_ratio or spacing.min_vmaf > spacing.vmaf:
        raise wrong("in `spacing`, a minimum is above its maximum")
    rates = [rung.bitrate for rung in policy.rungs]
    if rates != sorted(set(rates)):
        raise wrong("`rungs` must be in the order of their bitrates, the lowest first")


def _digest(policy: Policy) -> str:
    # What a policy or its audience is called or says of itself does not change what is made.
    audience = policy.audience and replace(policy.audience, name="", source="")
    settled = replace(policy, name="", digest="", description="", audience=audience)
    return hashlib.sha256(to_json(settled).encode()).hexdigest()


def _codec(source: Source, node: yaml.Node, name: str) -> str:
    value = text(source, node, name)
    try:
        return codec_named(value).name
    except UsageError as error:
        raise source.wrong(node, f"unknown codec `{value}`", error.hint) from error


def _spacing(source: Source, node: yaml.Node, name: str) -> Spacing:
    fields = Mapped(source, node, f"`{name}`")
    spacing = Spacing(
        vmaf=fields.take("vmaf", number(0.5, 50), required=True),
        min_vmaf=fields.take("min_vmaf", number(0.1, 50), 2.0),
        min_ratio=fields.take("min_ratio", number(1.05, 10), 1.5),
        max_ratio=fields.take("max_ratio", number(1.05, 10), 2.0),
    )
    fields.done()
    return spacing


def _fixed_rung(source: Source, node: yaml.Node, name: str) -> FixedRung:
    fields = Mapped(source, node, "a rung")
    rung = FixedRung(
        width=fields.take("width", whole(16, 15360), required=True),
        height=fields.take("height", whole(16, 8640), required=True),
        bitrate=fields.take("bitrate", _BITRATE, required=True),
    )
    fields.done()
    return rung


def _audio(source: Source, node: yaml.Node, name: str) -> AudioPolicy:
    fields = Mapped(source, node, f"`{name}`")
    standard = AudioPolicy()
    policy = AudioPolicy(
        stereo_bitrate=fields.take("stereo_bitrate", whole(16_000, 512_000), 128_000),
        surround=fields.take("surround", truth, standard.surround),
        surround_bitrate=fields.take("surround_bitrate", whole(64_000, 1_024_000), 384_000),
        loudness=fields.take("loudness", or_none(_loudness), None),
        true_peak=fields.take("true_peak", number(-9, 0), standard.true_peak),
        surround_codecs=fields.take(
            "surround_codecs", items(choice(("aac", "ac3", "eac3"))), standard.surround_codecs
        ),
        opus_bitrate=fields.take("opus_bitrate", or_none(whole(16_000, 256_000)), None),
        he_aac=fields.take("he_aac", truth, standard.he_aac),
        he_aac_bitrate=fields.take(
            "he_aac_bitrate", whole(24_000, 96_000), standard.he_aac_bitrate
        ),
    )
    fields.done()
    if len(set(policy.surround_codecs)) != len(policy.surround_codecs):
        raise source.wrong(node, "`surround_codecs` names a codec twice")
    if "eac3" in policy.surround_codecs and "ac3" not in policy.surround_codecs:
        # Authoring specification 2.6: devices that lack the one fall back on the other.
        raise source.wrong(node, "`eac3` needs `ac3` beside it", "Add ac3 to `surround_codecs`")
    return policy


def _pictures(source: Source, node: yaml.Node, name: str) -> PicturesPolicy:
    fields = Mapped(source, node, f"`{name}`")
    usual = PicturesPolicy()
    policy = PicturesPolicy(
        thumbnails=fields.take("thumbnails", truth, usual.thumbnails),
        # Stills are kept no larger; see encoder.analysis.stills.
        thumbnail_side=fields.take("thumbnail_side", whole(64, 480), usual.thumbnail_side),
        dense_iframes=fields.take("dense_iframes", truth, usual.dense_iframes),
        interval=fields.take("interval", or_none(whole(1, 60)), None),
        columns=fields.take("columns", whole(1, 10), usual.columns),
        rows=fields.take("rows", whole(1, 10), usual.rows),
        poster=fields.take("poster", truth, usual.poster),
    )
    fields.done()
    return policy


_loudness = number(-40, -5)
