"""ICC profiles for test photos, and colors as a viewer that applies the profile shows them."""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from livebg.imaging.color_profile import ADOBE_RGB, CODE_POINTS, RgbSpace, make_profile

PROPHOTO = RgbSpace(((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), 1.8)
WIDE = {"display-p3": CODE_POINTS[12], "adobe-rgb": ADOBE_RGB, "prophoto": PROPHOTO}
"""Color spaces that contain all or most of sRGB."""


def rgb_profile(name: str) -> bytes:
    return make_profile(WIDE[name])


def gray_profile(gamma: float) -> bytes:
    """A gray profile, version 2."""
    white = b"XYZ \0\0\0\0" + struct.pack(">lll", 63190, 65536, 54061)
    curve = struct.pack(">4sLLH", b"curv", 0, 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">L", 5) + b"gray\0" + bytes(8 + 3 + 67)
    text += bytes(-len(text) % 4)
    tags = {b"desc": text, b"wtpt": white, b"kTRC": curve}
    table, body = struct.pack(">L", len(tags)), b""
    for tag, content in tags.items():
        table += struct.pack(">4sLL", tag, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content
    header = struct.pack(">L4sL4s4s4s12s4s", 128 + len(table + body), b"", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"", b"acsp")
    return header + bytes(28) + struct.pack(">lll", 63190, 65536, 54061) + bytes(48) + table + body


def shown(image: Image.Image) -> NDArray[np.uint8]:
    """The colors of a photo in sRGB, (height, width, 3), as a viewer shows them."""
    profile = image.info.get("icc_profile")
    if not profile:
        return np.asarray(image.convert("RGB"))
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image.convert("RGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb)
    assert converted is not None
    return np.asarray(converted)
