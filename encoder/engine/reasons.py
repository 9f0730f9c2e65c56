"""Why a step is not in the store: what differs from what is there of the same master.

Every entry keeps a short digest of each thing that its key was made of. A key by itself only tells
that something is different; of the entries of the same master, the one that differs in the fewest
things tells in what.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from encoder.engine.store import Store
from encoder.media.serial import to_json

# What an input is called, for people; several may be one thing. Those of values are named with the
# name of the value and of the field.
_WORDS = {
    "ffmpeg": "FFmpeg",
    "version": "this version of encoder",
    "settings": "settings",
    "settings.crf": "CRF",
    "settings.zones": "CRF",
    "settings.bitrate": "bitrate",
    "settings.max_bitrate": "peak bitrate",
    "settings.buffer_bits": "buffer",
    "settings.buffer_start": "buffer",
    "settings.width": "resolution",
    "settings.height": "resolution",
    "settings.preset": "preset",
    "settings.gop_frames": "distance of key frames",
    "settings.max_level": "level",
    "codec": "codec",
    "preset": "preset",
    "gop": "distance of key frames",
    "model": "VMAF model",
    "every": "distance of scored frames",
    "size": "resolution",
    "crfs": "CRF",
    "windows": "parts of the title that are tried",
    "frames": "division into chunks",
    "coded": "division into chunks",
    "keyframes": "key frames",
    "policy": "policy",
    "offset": "start of the sound",
    "duration": "length of the title",
    "analysis": "analysis",
    "files": "files of subtitles",
}
_MASTER = "digest"
_MOST_NAMED = 3


def fingerprints(inputs: Mapping[str, object]) -> dict[str, str]:
    """A short digest of each input of a step; of each field, where one is a value with fields."""
    found: dict[str, str] = {}
    for name, value in inputs.items():
        plain = json.loads(to_json(value))
        if isinstance(plain, dict):
            found |= {f"{name}.{field}": _short(one) for field, one in plain.items()}
        else:
            found[name] = _short(plain)
    return found


def _short(plain: object) -> str:
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=6).hexdigest()


def why_missing(store: Store, step: str, missing: Sequence[Mapping[str, object]]) -> str:
    """What differs from what is there, in a few words.

    Args:
        store: where nothing was found.
        step: the step's name.
        missing: the inputs of each result that is not there.
    """
    wanted = [fingerprints(one) for one in missing]
    masters = {one.get(_MASTER) for one in wanted}
    every = list(store.fingerprints(step))
    kept = [one for one in every if one and one.get(_MASTER) in masters]
    if not kept:
        unknown = ", or it is of an older version" if not all(every) else ""
        return f"nothing of this master is there{unknown}"
    counted: Counter[str] = Counter()
    for one in wanted:
        counted.update(dict.fromkeys(_words(_difference(one, kept)), 1))
    if not counted:
        return "what was there is damaged or was pruned"
    words = [word for word, _ in counted.most_common()]
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return f"what is there differs in {', '.join(words[:_MOST_NAMED])}{more}"


def _difference(wanted: Mapping[str, str], kept: Sequence[Mapping[str, str]]) -> set[str]:
    """The names of what differs from the entry that differs in the fewest."""

    def differing(one: Mapping[str, str]) -> set[str]:
        return {name for name in wanted.keys() | one.keys() if wanted.get(name) != one.get(name)}

    return min((differing(one) for one in kept), key=len)


def _words(names: Iterable[str]) -> Iterable[str]:
    for name in sorted(names):
        if name.startswith("conform."):
            yield "how pictures are conformed"
        elif name in _WORDS:
            yield _WORDS[name]
        else:
            yield _WORDS.get(name.partition(".")[0], name.partition(".")[2] or name)
