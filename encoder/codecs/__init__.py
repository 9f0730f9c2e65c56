"""One module per codec: every quirk of an encoder lives in its module."""

from encoder.codecs.av1 import SvtAv1
from encoder.codecs.base import Codec, CrfZone, EncodeSettings, check_preset, codec_named, register
from encoder.codecs.h264 import X264

register(X264())
register(SvtAv1())

__all__ = ["Codec", "CrfZone", "EncodeSettings", "check_preset", "codec_named"]
