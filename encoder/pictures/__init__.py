"""Reference pictures -> thumbnails and the poster."""
