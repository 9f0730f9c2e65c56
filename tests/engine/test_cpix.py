"""CPIX documents: what their keys are for, what is told of them, and what is refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest

from encoder.engine.keys import read_keys
from encoder.errors import PackageError, UsageError
from encoder.ffmpeg.locate import locate
from encoder.media.package import Packaging
from encoder.media.protection import CLEARKEY, COMMON, FAIRPLAY, PLAYREADY, WIDEVINE
from encoder.package.package import package
from encoder.package.protect import key_for
from encoder.package.protect_boxes import full_box
from encoder.verify.verify import verify
from tests.package.media import make_audio, make_set, make_video

KIDS = tuple(str(UUID(int=number)) for number in (1, 2, 3))
SECRETS = tuple(bytes([number]) * 16 for number in (0xA1, 0xA2, 0xA3))
VECTOR = bytes(range(16))
MPD = "{urn:mpeg:dash:schema:mpd:2011}"
CENC = "{urn:mpeg:cenc:2013}"
MSPR = "{urn:microsoft:playready}"


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def key(number: int, more: str = 'commonEncryptionScheme="cbcs"') -> str:
    return (
        f'<cpix:ContentKey kid="{KIDS[number]}" {more}><cpix:Data><pskc:Secret><pskc:PlainValue>'
        f"\n{b64(SECRETS[number])}\n</pskc:PlainValue></pskc:Secret></cpix:Data></cpix:ContentKey>"
    )


def pssh(system: UUID, data: bytes) -> bytes:
    return full_box("pssh", 0, 0, system.bytes + len(data).to_bytes(4) + data)


def rule(number: int, inside: str, more: str = "") -> str:
    return (
        f'<cpix:ContentKeyUsageRule kid="{KIDS[number]}" {more}>{inside}</cpix:ContentKeyUsageRule>'
    )


def drm(number: int, system: UUID, inside: str) -> str:
    return f'<cpix:DRMSystem kid="{KIDS[number]}" systemId="{system}">{inside}</cpix:DRMSystem>'


SD, HD = '<cpix:VideoFilter maxPixels="442368"/>', '<cpix:VideoFilter minPixels="442369"/>'
PAID = "skd://keys.example/42?a=1"
TAG = f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{PAID}",KEYFORMAT="com.apple.streamingkeydelivery"'
HEADER = '<mspr:pro xmlns:mspr="urn:microsoft:playready">AAAA</mspr:pro>'
SYSTEMS = (
    drm(0, WIDEVINE, f"<cpix:PSSH>{b64(pssh(WIDEVINE, b'for sd'))}</cpix:PSSH>")
    + drm(0, FAIRPLAY, f"<cpix:HLSSignalingData>{b64(TAG)}</cpix:HLSSignalingData>")
    + drm(
        0,
        PLAYREADY,
        f"<cpix:PSSH>{b64(pssh(PLAYREADY, b'header'))}</cpix:PSSH>"
        f"<cpix:ContentProtectionData>{b64(HEADER)}</cpix:ContentProtectionData>",
    )
    + drm(2, WIDEVINE, "")
    + drm(2, CLEARKEY, "")
)
KEYS = key(0, f'explicitIV="{b64(VECTOR)}"') + key(1) + key(2)
RULES = rule(0, SD, 'intendedTrackType="SD"') + rule(1, HD) + rule(2, "<cpix:AudioFilter/>")


def cpix(keys: str = KEYS, rules: str = RULES, systems: str = SYSTEMS, more: str = "") -> str:
    parts = {"ContentKeyList": keys, "DRMSystemList": systems, "ContentKeyUsageRuleList": rules}
    lists = [f"<cpix:{name}>{inside}</cpix:{name}>" for name, inside in parts.items() if inside]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<cpix:CPIX contentId="film" version="2.3" xmlns:cpix="urn:dashif:org:cpix" '
        f'xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">{"".join(lists)}{more}</cpix:CPIX>'
    )


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "keys.cpix"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_each_track_has_the_key_of_its_rule(file: Callable[[str], Path]) -> None:
    found = read_keys(file(cpix()))
    assert found.scheme == "cbcs"
    tracks = {(768, 576, 0): 0, (1024, 576, 0): 1, (3840, 2160, 0): 1, (0, 0, 2): 2, (0, 0, 6): 2}
    for track, number in tracks.items():
        one = key_for(found, *track, "track")
        assert (str(UUID(bytes=one.kid)), one.key) == (KIDS[number], SECRETS[number])
    assert [one.vector for one in found.keys] == [VECTOR, b"", b""]
    assert not any(secret.hex() in repr(found) for secret in SECRETS)


def test_one_key_is_for_all_and_types_stand_for_filters(file: Callable[[str], Path]) -> None:
    (one,) = read_keys(file(cpix(key(0), "", ""))).keys
    assert one.fits(640, 360, 0)
    assert one.fits(0, 0, 6)
    rules = rule(0, "", 'intendedTrackType="VIDEO"') + rule(1, "", 'intendedTrackType="audio"')
    found = read_keys(file(cpix(KEYS, rules, "")))
    assert [str(UUID(bytes=one.kid)) for one in found.keys] == list(KIDS[:2])
    assert found.fitting(3840, 2160, 0) == found.keys[:1]
    assert found.fitting(0, 0, 2) == found.keys[1:]
    surround = '<cpix:AudioFilter minChannels="3"/>', '<cpix:AudioFilter maxChannels="2"/>'
    rules = rule(0, "<cpix:VideoFilter/>") + rule(1, surround[0]) + rule(2, surround[1])
    found = read_keys(file(cpix(KEYS, rules, "")))
    assert [found.fitting(0, 0, channels)[0].kid[-1] for channels in (2, 6)] == [3, 2]


def test_rules_that_leave_a_track_out_or_meet_are_told(file: Callable[[str], Path]) -> None:
    found = read_keys(file(cpix(rules=rule(0, SD) + rule(1, SD) + rule(2, HD))))
    with pytest.raises(PackageError, match="several keys"):
        key_for(found, 640, 360, 0, "h264-360p")
    with pytest.raises(PackageError, match="no key is for audio"):
        key_for(found, 0, 0, 2, "sound")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (cpix()[:-3], "not well-formed|unclosed|no element|mismatched"),
        (cpix().replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>', 1), "declares a document type"),
        ("<MPD/>", "root is MPD"),
        (cpix(more="<cpix:DeliveryDataList/>"), "encrypted"),
        (cpix("", "", ""), "lists no ContentKey"),
        (cpix(KEYS, "", ""), "no ContentKeyUsageRule"),
        (cpix(key(0) + key(0)), "same kid"),
        (cpix(key(0, 'commonEncryptionScheme="cens"'), "", ""), "none of cbcs, cenc"),
        (cpix(key(0) + key(1, 'commonEncryptionScheme="cenc"')), "several commonEncryption"),
        (cpix(re.sub("<pskc:Pl.*", "<pskc:EncryptedValue/>", key(0)), "", ""), "line|mismatched"),
        (cpix(key(0).replace("PlainValue", "EncryptedValue"), "", ""), "is encrypted"),
        (cpix(key(0).replace("cpix:Data", "cpix:Other"), "", ""), "is not in the document"),
        (cpix(key(0, 'explicitIV="AAAA"'), "", ""), "explicitIV in line 2 is not of 16"),
        (cpix(key(0).replace(KIDS[0], "7"), "", ""), "kid of ContentKey in line 2 is no UUID"),
        (cpix(key(0).replace(b64(SECRETS[0]), "AAAA"), "", ""), "not of 16 bytes"),
        (cpix(key(0).replace(b64(SECRETS[0]), "§"), "", ""), "not base64"),
        (cpix(rules=rule(0, "<cpix:BitrateFilter/>")), "a BitrateFilter, which is not followed"),
        (cpix(rules=rule(0, '<cpix:VideoFilter hdr="true"/>')), "hdr of the VideoFilter"),
        (
            cpix(rules=rule(0, '<cpix:VideoFilter maxPixels="-1"/>')),
            "maxPixels in line 4|is no num",
        ),
        (cpix(rules=rule(0, SD + "<cpix:AudioFilter/>")), "both video and audio"),
        (cpix(rules=rule(0, "", 'intendedTrackType="GOLD"')), "its type is not known"),
        (cpix(rules=rule(0, SD) + rule(0, "")), "another of its key has none"),
        (cpix(key(0), rule(1, SD), ""), "a key that is not in the document"),
        (cpix(systems=drm(0, WIDEVINE, "<cpix:PSSH>AAAA</cpix:PSSH>")), "not a whole box"),
        (
            cpix(systems=drm(0, WIDEVINE, f"<cpix:PSSH>{b64(pssh(PLAYREADY, b''))}</cpix:PSSH>")),
            "not a whole box of edef",
        ),
        (cpix(systems=drm(0, WIDEVINE, "") * 2), "twice for its key"),
        (
            cpix(
                systems=drm(
                    0,
                    FAIRPLAY,
                    f"<cpix:HLSSignalingData>{b64('#EXTINF:6')}</cpix:HLSSignalingData>",
                )
            ),
            "is not of EXT-X-KEY with METHOD=SAMPLE-AES",
        ),
        (
            cpix(
                systems=drm(
                    0,
                    PLAYREADY,
                    f"<cpix:ContentProtectionData>{b64('</x>')}</cpix:ContentProtectionData>",
                )
            ),
            "is no XML",
        ),
        (
            cpix(
                systems=drm(
                    0,
                    PLAYREADY,
                    f"<cpix:ContentProtectionData>{b64('<pro>A</pro>')}</cpix:ContentProtectionData>",
                )
            ),
            "elements of no namespace",
        ),
        (cpix(key(0, 'commonEncryptionScheme="cenc"'), "", ""), r"13\.11"),
    ],
)
def test_what_is_not_followed_is_refused(file: Callable[[str], Path], text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        read_keys(file(text))
    assert not any(b64(secret)[:-2] in str(caught.value) for secret in SECRETS)
    assert caught.value.__cause__ is None


def test_a_package_tells_what_the_document_says(
    file: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    ffmpeg = locate()
    rungs = [
        make_video(ffmpeg, tmp_path / f"{size[1]}p.mp4", size, frames=48, keyframes=(0,))
        for size in ((1280, 720), (160, 90))
    ]
    sound = make_audio(
        *(ffmpeg, tmp_path / "sound.mp4"),
        language="en",
        name="English",
        source=0,
        default=True,
        duration=48 / rungs[0].frame_rate,
    )
    into = tmp_path / "package"
    into.mkdir()
    protection = read_keys(file(cpix()))
    made = package(
        ffmpeg, make_set(rungs, [sound], frames=48), into, Packaging(protection=protection)
    )
    assert not [one for one in verify(into).findings if one.severity == "must"]

    small = (into / "video/90p.m3u8").read_text()
    assert f"{TAG}\n" in small
    assert "skd://" + UUID(KIDS[0]).hex not in small
    master = (into / made.hls).read_text()
    assert TAG.replace("-KEY:", "-SESSION-KEY:", 1) in master
    assert f"skd://{UUID(KIDS[1]).hex}" in master
    # The vector that came with the key is in the initialisation, behind its length.
    head = (into / "video/90p.mp4").read_bytes()[:4096]
    assert UUID(KIDS[0]).bytes + bytes([16]) + VECTOR in head
    assert pssh(WIDEVINE, b"for sd") in head
    assert COMMON.bytes in (into / "audio/sound.mp4").read_bytes()[:4096]

    root = ElementTree.parse(into / "manifest.mpd").getroot()
    sets = {}
    for one in root.iter(f"{MPD}AdaptationSet"):
        told = {item.attrib["schemeIdUri"]: item for item in one.iter(f"{MPD}ContentProtection")}
        general = told.pop("urn:mpeg:dash:mp4protection:2011")
        sets[general.attrib[f"{CENC}default_KID"]] = told
    assert set(sets) == set(KIDS)
    playready = sets[KIDS[0]][f"urn:uuid:{PLAYREADY}"]
    assert playready.findtext(f"{MSPR}pro") == "AAAA"
    assert playready.findtext(f"{CENC}pssh") == b64(pssh(PLAYREADY, b"header"))
    widevine = sets[KIDS[0]][f"urn:uuid:{WIDEVINE}"].findtext(f"{CENC}pssh")
    assert widevine == b64(pssh(WIDEVINE, b"for sd"))
    # Made here, as the document names the system and says nothing of it; it names none for another.
    assert set(sets[KIDS[2]]) == {f"urn:uuid:{one}" for one in (WIDEVINE, CLEARKEY)}
    assert set(sets[KIDS[1]]) == set()
    for path in into.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(one in data or b64(one).encode() in data for one in SECRETS)
