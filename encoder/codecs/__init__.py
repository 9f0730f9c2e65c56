"""One module per codec: every quirk of an encoder lives in its module."""
