"""Rules about thumbnails, the map of them for web pages, and the poster."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from encoder.verify.pictures import Cue, Sheets, SpriteMap, jpeg_size
from encoder.verify.rules_playlist import tell
from encoder.verify.subject import Subject
from encoder.verify.verdict import Check, Hit, Needs, Place, Rule

# WebVTT counts milliseconds, playlists microseconds.
_ROUNDING = Fraction(1, 500)
_HALF = Fraction(1, 2)


def _title(s: Subject) -> tuple[Fraction, Fraction]:
    """How long the pictures of the title last, and a frame of it; 0 where it is not known."""
    video = [one for one in s.tracks() if one.kind == "video"]
    longest = max(video, key=lambda one: one.end, default=None)
    return (longest.end, longest.frame) if longest else (Fraction(0), Fraction(0))


def declared(s: Subject) -> Iterator[Hit]:
    for one in s.pictures:
        if not one.dash:
            for place, found, wanted in one.problems:
                yield Hit(place, found, wanted)


def tiles(s: Subject) -> Iterator[Hit]:
    for one in s.pictures:
        if not one.dash:
            continue
        for place, found, wanted in one.problems:
            yield Hit(place, found, wanted)
        if one.grid and one.size and any(a % b for a, b in zip(one.size, one.grid, strict=True)):
            found = f"{one.size[0]}x{one.size[1]} in {one.grid[0]}x{one.grid[1]} tiles"
            yield Hit(one.place, found, "tiles of whole pixels")


def sizes(s: Subject) -> Iterator[Hit]:
    for one in s.pictures:
        for sheet in one.sheets:
            found = jpeg_size(s.files, sheet.name)
            if s.files.size(sheet.name) is None or sheet.name.endswith(".png"):
                continue  # told of as a missing file; and PNG is not read
            if isinstance(found, str):
                yield Hit(Place(sheet.name, offset=0), found, "a whole JPEG picture")
            elif one.size and found != one.size:
                wanted = f"{one.size[0]}x{one.size[1]}, as {one.label} says"
                yield Hit(Place(sheet.name, offset=0), f"{found[0]}x{found[1]}", wanted)
                break


def covering(s: Subject) -> Iterator[Hit]:
    end, frame = _title(s)
    for one in s.pictures if end else ():
        total = sum((sheet.duration for sheet in one.sheets), Fraction(0))
        if one.dash:
            # The last sheet may have room for more than there is.
            last = one.sheets[-1].duration if one.sheets else Fraction(0)
            fits = total - last < end <= total + frame
        else:
            fits = abs(total - end) <= max(frame, _ROUNDING)
        if not fits:
            found = f"{len(one.sheets)} sheets for {tell(total)}"
            yield Hit(one.place, found, f"as many as {tell(end)} of pictures need")
        full = one.grid and one.interval and one.interval * one.grid[0] * one.grid[1]
        for sheet in one.sheets if full else ():
            if full and sheet.duration > full + _ROUNDING:
                found = f"{tell(sheet.duration)} on a sheet for {tell(full)}"
                yield Hit(sheet.place, found, "as many tiles as its time needs")
                break


def sprite_times(s: Subject) -> Iterator[Hit]:
    end, frame = _title(s)
    for one in s.sprite_maps:
        for line, found in one.problems:
            yield Hit(Place(one.name, line=line), found, "a cue with a picture, #xywh=x,y,w,h")
        if not one.cues:
            yield Hit(Place(one.name, line=1), "no cues", "a cue for every thumbnail")
            continue
        for before, cue in pairwise(one.cues):
            if cue.start != before.end or before.end <= before.start:
                found = f"{tell(cue.start)} after {tell(before.start)} to {tell(before.end)}"
                yield Hit(Place(one.name, line=cue.line), found, "cues without gap and overlap")
                break
        last = one.cues[-1]
        if one.cues[0].start or (end and abs(last.end - end) > max(frame, _ROUNDING)):
            found = f"{tell(one.cues[0].start)} to {tell(last.end)}"
            yield Hit(Place(one.name, line=last.line), found, f"0 to {tell(end)}, as the title")


def sprite_boxes(s: Subject) -> Iterator[Hit]:
    for one in s.sprite_maps:
        seen: set[tuple[str, tuple[int, int, int, int] | None]] = set()
        for cue in one.cues:
            problem = _box_problem(s, cue)
            if not problem and (cue.name, cue.box) in seen:
                problem = "the same picture again", "a picture of its own for every cue"
            seen.add((cue.name, cue.box))
            if problem:
                yield Hit(Place(one.name, line=cue.line + 1), *problem)
                break
        yield from _off_grid(s, one)


def _box_problem(s: Subject, cue: Cue) -> tuple[str, str] | None:
    size = jpeg_size(s.files, cue.name)
    if isinstance(size, str):
        return f"{cue.name}: {size}", "a picture that is there"
    if cue.box:
        x, y, width, height = cue.box
        if not width or not height or x + width > size[0] or y + height > size[1]:
            return f"#xywh={x},{y},{width},{height}", f"a part of {size[0]}x{size[1]} pixels"
    return None


def _off_grid(s: Subject, found: SpriteMap) -> Iterator[Hit]:
    """The map and the manifests must mean the same thumbnail by a time."""
    pictures = {cue.name for cue in found.cues}
    for one in s.pictures:
        if not one.interval or not one.grid or not one.size:
            continue
        if {sheet.name for sheet in one.sheets} != pictures:
            continue
        for cue in found.cues:
            wanted = _tile(one, cue.start)
            if cue.box and wanted and (cue.name, cue.box) != wanted:
                box = ",".join(map(str, wanted[1]))
                text = f"{cue.name}#xywh={','.join(map(str, cue.box))} at {tell(cue.start)}"
                place = Place(found.name, line=cue.line + 1)
                yield Hit(place, text, f"{wanted[0]}#xywh={box}, as {one.label} has it")
                return


def _tile(one: Sheets, time: Fraction) -> tuple[str, tuple[int, int, int, int]] | None:
    """What a player shows of sheets at a time: the picture, and the part of it."""
    if not one.grid or not one.size or not one.interval:
        return None
    columns, rows = one.grid
    number = int(time / one.interval + _HALF)
    sheet, at = divmod(number, columns * rows)
    if sheet >= len(one.sheets):
        return None
    width, height = one.size[0] // columns, one.size[1] // rows
    box = (at % columns * width, at // columns * height, width, height)
    return one.sheets[sheet].name, box


def poster(s: Subject) -> Iterator[Hit]:
    wanted = s.facts.get("poster")
    if not isinstance(wanted, dict):
        # Before it is published, a poster is what lies beside the thumbnails.
        for beside in sorted(one for one in s.declared if one.endswith("/poster.jpg")):
            problem = jpeg_size(s.files, beside)
            if isinstance(problem, str) and s.files.size(beside) is not None:
                yield Hit(Place(beside, offset=0), problem, "the poster, a whole JPEG picture")
        return
    name = str(wanted.get("path"))
    size = (wanted.get("width"), wanted.get("height"))
    found = jpeg_size(s.files, name)
    if isinstance(found, str):
        yield Hit(Place(name), found, "the poster, a whole JPEG picture")
    elif found != size:
        yield Hit(Place(name), f"{found[0]}x{found[1]}", f"{size[0]}x{size[1]}, as was published")


def _rule(name: str, text: str, needs: Needs, check: Check, fix: str) -> Rule:
    return Rule(name, text, "must", needs, fix, check)


RULES = (
    _rule(
        "HLS images",
        "Image playlists say what their pictures are (Image Media Playlist 0.4)",
        "multivariant",
        declared,
        "Write EXT-X-IMAGES-ONLY, EXT-X-TILES and the attributes of EXT-X-IMAGE-STREAM-INF",
    ),
    _rule(
        "DASH-IF 6.2.6",
        "Thumbnail tiles are declared by their grid and size",
        "dash",
        tiles,
        "Write the EssentialProperty thumbnail_tile, width and height of the sheet",
    ),
    _rule(
        "OURS sheets",
        "Sheets of thumbnails are of the declared size",
        "media",
        sizes,
        "Write whole JPEG files of the size that is declared: "
        "columns times width, rows times height",
    ),
    _rule(
        "OURS thumbnails",
        "Thumbnails are of the whole title, no more",
        "media",
        covering,
        "Make a sheet for every part of the title, and declare how long each stands for",
    ),
    _rule(
        "OURS sprite times",
        "The sprite map is of the whole title",
        "folder",
        sprite_times,
        "Write a cue for each thumbnail, each from the end of the one before",
    ),
    _rule(
        "OURS sprite boxes",
        "The sprite map means the manifests' tiles",
        "folder",
        sprite_boxes,
        "Write #xywh=x,y,width,height of the tile that the manifests show at that time",
    ),
    _rule(
        "OURS poster",
        "The poster is there, of the published size",
        "folder",
        poster,
        "Put the published JPEG file back, or write another of that size",
    ),
)
