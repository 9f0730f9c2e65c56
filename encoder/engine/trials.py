"""Trials made once: every encode of every sample is kept in the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from encoder.codecs import codec_named
from encoder.encode.keyframes import gop_frames
from encoder.engine.reasons import fingerprints
from encoder.engine.store import Store, key_of
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ladder.decide import VMAF_MODEL
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode, TrialSettings, extract_sample, run_trials
from encoder.media.conform import Conform
from encoder.media.ladder import Trial
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.serial import from_plain

# Raised when trials come to give another result for the same inputs.
_VERSION = 5
# One report of a step: what it is doing, how much is done, of how much.
Report = Callable[[str, int, int], None]


class TrialMaker:
    """Makes trials of one title, or takes them from the store.

    The sample is taken from the master only when a trial is missing, and once. What is kept is one
    entry an encode, so that a run that is ended loses those under way at the most.

    Args:
        ffmpeg: the program.
        store: where trials are kept.
        title: what determines the reference pictures.
        master: the source.
        conform: how its pictures become reference pictures.
        policy: gives codec, preset and the length of a group of pictures.
        folder: an empty folder for the sample and logs.
        jobs: FFmpeg processes at a time.
        at_once: whether all trials are asked for in one call; else how many follow is not known.
        on_report: told what is going on.
        on_missing: called before anything is made with what each missing encode depends on; may
            raise.
    """

    def __init__(
        self,
        ffmpeg: Ffmpeg,
        store: Store,
        title: dict[str, object],
        master: Master,
        conform: Conform,
        policy: Policy,
        folder: Path,
        *,
        jobs: int,
        at_once: bool,
        on_report: Report,
        on_missing: Callable[[Sequence[dict[str, object]]], None],
    ) -> None:
        self._ffmpeg = ffmpeg
        self._store = store
        self._title = title
        self._master = master
        self._conform = conform
        self._policy = policy
        self._folder = folder
        self._jobs = jobs
        self._at_once = at_once
        self._report = on_report
        self._missing = on_missing
        self._sample: tuple[Path, ...] | None = None
        self.made = 0

    def __call__(
        self, windows: Sequence[Window], encodes: Sequence[Encode], every: int
    ) -> tuple[Trial, ...]:
        """The trials of these encodes of windows, VMAF being taken on every n-th frame.

        Raises:
            MachineError: when FFmpeg cannot make trials.
            MeasureError: when a trial fails.
        """
        codec = codec_named(self._policy.codec)
        settings = TrialSettings(
            preset=self._policy.preset or codec.default_preset,
            gop_frames=gop_frames(self._conform.frame_rate, self._policy.gop_seconds),
            vmaf_model=VMAF_MODEL,
            every=every,
            threads=os.cpu_count() or 1,
            jobs=self._jobs,
            max_level=self._policy.max_level,
        )
        known = [self._determined_by(windows, encode, settings) for encode in encodes]
        keys = [key_of(one) for one in known]
        inputs = dict(zip(keys, known, strict=True))
        found: dict[str, tuple[Trial, ...]] = {}
        for key in keys:
            entry = self._store.find("trials", key)
            if entry is not None:
                found[key] = from_plain(entry.value, tuple[Trial, ...])
        missing = {key: one for key, one in zip(keys, encodes, strict=True) if key not in found}
        if missing:
            self._missing([inputs[key] for key in missing])
            found.update(self._make(windows, missing, inputs, settings))
        return tuple(trial for key in keys for trial in found[key])

    def _make(
        self,
        windows: Sequence[Window],
        missing: dict[str, Encode],
        inputs: dict[str, dict[str, object]],
        settings: TrialSettings,
    ) -> dict[str, tuple[Trial, ...]]:
        if self._sample is None:
            taken = sum(len(window.frames) for window in windows)
            self._report("taking the sample", 0, taken)
            self._sample = extract_sample(
                self._ffmpeg,
                self._master,
                self._conform,
                windows,
                self._folder,
                on_progress=lambda done: self._report("taking the sample", done, taken),
            )
        codec = codec_named(self._policy.codec)
        total = len(missing) if self._at_once else 0
        found = {}
        for batch in _batches(list(missing.items())):
            self._report("trial encodes", self.made, total)
            trials = run_trials(
                self._ffmpeg,
                self._sample,
                self._conform,
                windows,
                codec,
                [encode for _, encode in batch],
                settings,
                self._folder,
            )
            for key, encode in batch:
                own = tuple(trial for trial in trials if _belongs(trial, encode, windows))
                with self._store.work() as work:
                    self._store.save("trials", key, work, own, fingerprints(inputs[key]))
                found[key] = own
                self.made += 1
        self._report("trial encodes", self.made, total)
        return found

    def _determined_by(
        self, windows: Sequence[Window], encode: Encode, settings: TrialSettings
    ) -> dict[str, object]:
        """Everything that the trials of an encode depend on."""
        return {
            **self._title,
            "codec": self._policy.codec,
            "preset": settings.preset,
            "gop": settings.gop_frames,
            "model": settings.vmaf_model,
            "every": settings.every,
            "window": windows[encode.window],
            "size": [encode.width, encode.height],
            "crf": encode.crf,
            "step": "trials",
            "version": _VERSION,
        }


# So many encodes are run before their results are kept.
_BATCH = 8


def _batches(items: Sequence[tuple[str, Encode]]) -> list[Sequence[tuple[str, Encode]]]:
    return [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]


def _belongs(trial: Trial, encode: Encode, windows: Sequence[Window]) -> bool:
    place = (trial.width, trial.height, trial.start, trial.crf)
    wanted = (encode.width, encode.height, windows[encode.window].frames.start, encode.crf)
    return place == wanted
