"""Master and sidecar files -> subtitles as WebVTT, on the package's timeline."""
