"""Path to Master, and its Conform."""
