"""Encoded and measured chunks, each an entry of the store of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from encoder.encode.chunk import EncodedChunk, FrameScores
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import CONTEXT, Chunk, ChunkRung
from encoder.encode.packets import Packets
from encoder.engine.reasons import fingerprints
from encoder.engine.store import Store, key_of
from encoder.media.scores import METRICS

# Raised when a chunk comes to give another result for the same inputs.
_CHUNK_VERSION = 2
_SCORES_VERSION = 1
_FILE, _FRAMES, _SCORES = "chunk.mp4", "frames.npz", "scores.npz"


@dataclass(frozen=True, slots=True)
class ChunkStore:
    """The chunks of one title in the store.

    ``inputs`` are what determines the title's reference pictures.
    """

    store: Store
    inputs: dict[str, object]

    def key(self, chunk: Chunk, rung: ChunkRung) -> str:
        """The key of a rung's encode of a chunk."""
        return key_of(self.determined_by(chunk, rung))

    def determined_by(self, chunk: Chunk, rung: ChunkRung) -> dict[str, object]:
        """Everything that a rung's encode of a chunk depends on."""
        return {
            **self.inputs,
            "frames": chunk.frames,
            "coded": chunk.coded,
            "keyframes": list(chunk.coded_keyframes),
            "codec": rung.codec,
            "settings": rung.settings,
            "step": "chunk",
            "version": _CHUNK_VERSION,
        }

    def lock_name(self, chunk: Chunk) -> str:
        """What a process locks that works on a chunk of the title."""
        return key_of({**self.inputs, "frames": chunk.frames, "step": "chunk"})

    def find(
        self, chunk: Chunk, rung: ChunkRung, measuring: Measuring | None
    ) -> EncodedChunk | None:
        """The encode of a chunk, with its scores if those are asked for and there."""
        key = self.key(chunk, rung)
        entry = self.store.find("chunk", key)
        if entry is None:
            return None
        with np.load(entry.folder / _FRAMES) as arrays:
            packets = Packets(
                arrays["order"], arrays["sizes"], chunk.local_keyframes, arrays["before"]
            )
        found = EncodedChunk(entry.folder / _FILE, packets, None, None)
        if measuring is None:
            return found
        kept = self.store.find("chunk-score", self._score_key(key, measuring))
        if kept is None:
            return found
        with np.load(kept.folder / _SCORES) as arrays:
            values = {name: arrays[name] for name in METRICS}
            scores = FrameScores(arrays["frame"], values)
            return replace(found, checksums=arrays["checksums"], scores=scores)

    def save(
        self, chunk: Chunk, rung: ChunkRung, measuring: Measuring | None, made: EncodedChunk
    ) -> None:
        """Keeps an encode and its scores; the file is moved.

        The scores first: an encode that is there was measured, if it was made to be.
        """
        key = self.key(chunk, rung)
        if measuring is not None and made.scores is not None and made.checksums is not None:
            with self.store.work() as folder:
                np.savez_compressed(
                    folder / _SCORES,
                    allow_pickle=False,
                    frame=made.scores.frame,
                    checksums=made.checksums,
                    **made.scores.values,
                )
                self.store.save("chunk-score", self._score_key(key, measuring), folder, None)
        with self.store.work() as folder:
            made.path.rename(folder / _FILE)
            np.savez_compressed(
                folder / _FRAMES,
                allow_pickle=False,
                order=made.packets.order,
                sizes=made.packets.sizes,
                before=made.packets.before,
            )
            inputs = fingerprints(self.determined_by(chunk, rung))
            self.store.save("chunk", key, folder, None, inputs)

    def _score_key(self, key: str, measuring: Measuring) -> str:
        return key_of(
            {
                "chunk": key,
                "measuring": measuring,
                "context": CONTEXT,
                "step": "chunk-score",
                "version": _SCORES_VERSION,
            }
        )
