"""Language tags: BCP 47 as manifests have them, ISO 639-2 as MP4 media headers have them."""

from __future__ import annotations

UNDETERMINED = "und"

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
    """The BCP 47 tag of an ISO 639-2 code of either kind, or of a tag as it is already."""
    language, _, rest = code.strip().partition("-")
    language = language.lower()
    if not language.isascii() or not language.isalpha() or not 2 <= len(language) <= 3:
        return UNDETERMINED
    language = _BIBLIOGRAPHIC.get(language, language)
    language = _TO_BCP_47.get(language, language)
    return f"{language}-{rest}" if rest else language


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


def language_name(tag: str) -> str:
    """The English name of a BCP 47 tag's language, or the tag where it is not known."""
    return _NAMES.get(tag.split("-")[0], tag)
