"""The file suffixes of photos and videos."""

from typing import Final

WRITABLE_PHOTO_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
"""Suffixes of photos that livebg reads and writes."""

PHOTO_SUFFIXES: Final = WRITABLE_PHOTO_SUFFIXES | {".heic", ".heif", ".hif", ".mpo", ".jp2", ".j2k", ".jpf", ".jpx"}

UNREADABLE_PHOTO_SUFFIXES: Final = frozenset({".jxl"})
"""Suffixes of photos that livebg cannot read: a single one is refused as a photo, those in a folder are listed."""

VIDEO_SUFFIXES: Final = frozenset(
    {
        ".mp4",
        ".mov",
        ".m4v",
        ".mkv",
        ".webm",
        ".avi",
        ".gif",
        ".apng",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".vob",
        ".wmv",
        ".asf",
        ".flv",
        ".ogv",
        ".3gp",
        ".3g2",
        ".dv",
        ".mxf",
        ".y4m",
    }
)
