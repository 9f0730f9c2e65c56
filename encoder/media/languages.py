"""Language tags: BCP 47 as manifests have them, ISO 639-2 as MP4 media headers have them."""

from __future__ import annotations

import re
from itertools import takewhile

UNDETERMINED = "und"
_SUBTAG = re.compile(r"[A-Za-z0-9]{1,8}")

# The two-letter code of ISO 639-1, then the three letters of ISO 639-2/T. BCP 47 wants the
# shorter one where there is one.
_CODES = """
    aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul
    bibis bmbam bnben bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym
    dadan dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest eueus fafas ffful fifin fjfij
    fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat
    huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav
    kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir
    lalat lbltz lglug lilim lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon
    mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya
    ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus
    rwkin sasan scsrd sdsnd sesme sgsag sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw
    stsot susun svswe swswa tatam tetel tgtgk ththa titir tktuk tntsn toton trtur tstso tttat
    twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor zazha
    zhzho zuzul
"""
_PAIRS = tuple((code[:2], code[2:]) for code in _CODES.split())
_TO_ISO_639_2 = dict(_PAIRS)
_TO_BCP_47 = {long: short for short, long in _PAIRS}

# ISO 639-2 has two codes for some languages; these are the bibliographic ones.
_BIBLIOGRAPHIC = {
    "alb": "sqi",
    "arm": "hye",
    "baq": "eus",
    "bur": "mya",
    "chi": "zho",
    "cze": "ces",
    "dut": "nld",
    "fre": "fra",
    "geo": "kat",
    "ger": "deu",
    "gre": "ell",
    "ice": "isl",
    "mac": "mkd",
    "mao": "mri",
    "may": "msa",
    "per": "fas",
    "rum": "ron",
    "slo": "slk",
    "tib": "bod",
    "wel": "cym",
}


def iso_639_2(tag: str) -> str:
    """The ISO 639-2/T code of a BCP 47 tag's language; ``und`` when it has none."""
    language = tag.split("-")[0].lower()
    if language in _TO_ISO_639_2:
        return _TO_ISO_639_2[language]
    if len(language) == 3 and language.isascii() and language.isalpha():
        return _BIBLIOGRAPHIC.get(language, language)
    return UNDETERMINED


def bcp_47(code: str) -> str:
    """The BCP 47 tag of an ISO 639-2 code of either kind, or of a tag; what cannot be a part of one
    is left out, with what is behind it."""
    first, *others = code.strip().split("-")
    language = first.lower()
    if not language.isascii() or not language.isalpha() or not 2 <= len(language) <= 3:
        return UNDETERMINED
    language = _BIBLIOGRAPHIC.get(language, language)
    language = _TO_BCP_47.get(language, language)
    kept = list(takewhile(_SUBTAG.fullmatch, others))
    while kept and len(kept[-1]) == 1:
        kept.pop()  # it says what kind the next is of
    return "-".join([language, *map(_cased, kept)])


def is_tag(text: str) -> bool:
    """Whether a text is built as a BCP 47 tag is, whatever it may mean."""
    return re.fullmatch(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", text) is not None


def _cased(subtag: str) -> str:
    """As it is usually written (RFC 5646 2.1.1): scripts as Hans, regions as US."""
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag.lower()


_NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ms": "Malay",
    "nb": "Norwegian",
    "nl": "Dutch",
    "nn": "Norwegian Nynorsk",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


_SCRIPTS = {"Arab": "Arabic", "Cyrl": "Cyrillic", "Hans": "Simplified", "Hant": "Traditional"}
_SCRIPTS |= {"Latn": "Latin"}


def language_name(tag: str) -> str:
    """The English name of a BCP 47 tag's language with what tells it from others, such as
    ``Chinese (Traditional)`` or ``Portuguese (BR)``; the tag where it is not known."""
    language, *others = tag.split("-")
    if language not in _NAMES:
        return tag
    told = ", ".join(_SCRIPTS.get(one, one) for one in others)
    return f"{_NAMES[language]} ({told})" if told else _NAMES[language]
