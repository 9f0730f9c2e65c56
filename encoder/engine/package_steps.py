"""The steps that package: the tracks, with clear twins of what is encrypted, and the manifests."""

from __future__ import annotations

from pathlib import Path

from encoder.engine.steps import Steps
from encoder.media.package import Package, Packaging
from encoder.media.renditions import RenditionSet
from encoder.media.scores import Scorecard
from encoder.package.package import conclude, package, write_tracks
from encoder.report.text import some


class PackageSteps(Steps):
    """Those of :class:`encoder.engine.pipeline.Pipeline` that package."""

    def package(self, renditions: RenditionSet, into: Path, packaging: Packaging) -> Package:
        """Tracks and manifests in an empty folder.

        Raises:
            PackageError: when the renditions do not fit together.
        """
        with self.stage("package") as running:
            made = package(self.ffmpeg, renditions, into, packaging)
            running.detail = f"{some(len(made.tracks), 'track')}, {made.bytes / 1e6:.1f} MB"
        return made

    def package_tracks(
        self, renditions: RenditionSet, into: Path, packaging: Packaging, twins: Path
    ) -> None:
        """All of an encrypted package but its manifests, and the rungs' twins that are not
        encrypted, for their scores, in one pass: :func:`encoder.package.package.write_tracks`.

        Raises:
            PackageError: when the renditions do not fit together.
        """
        with self.stage("package") as running:
            write_tracks(self.ffmpeg, renditions, into, packaging, twins)
            running.detail = f"{some(len(renditions.video), 'rung')}, clear as well for scores"

    def package_manifests(
        self,
        renditions: RenditionSet,
        folder: Path,
        packaging: Packaging,
        scores: Scorecard | None,
    ) -> Package:
        """Writes the manifests of a package, anew if they are there, each variant's mean VMAF as
        its SCORE; and encrypts what is encrypted whole. It belongs to the stage that wrote the
        tracks, and is not told of as another.

        Raises:
            PackageError: when the package is not that of the renditions.
        """
        with self.metered("package"):
            return conclude(
                renditions, folder, packaging, None if scores is None else _means(scores)
            )


def _means(card: Scorecard) -> dict[str, float]:
    return {one.rendition: one.metric("vmaf").title.mean for one in card.renditions}
