"""Which characters text of others may have in what we write."""

from __future__ import annotations

import re

# Controls, what ends a line in some readers, halves of pairs, and what is no character in XML.
# Format characters are none of them: joiners and marks of direction change what a text says in
# Persian, Hindi, Hebrew or Arabic.
_NOWHERE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text on one line, in which a space stands for each character that has no place in any."""
    return _NOWHERE.sub(" ", text)
