"""The demo: an animated photo and a real clip, both freely available, rendered as portrait, green screen and matte, side by side.

``clips`` finds the material and animates the photo, ``render`` renders and arranges pictures.
"""

from livebg.demo.clips import Material, animate_photo, find_material
from livebg.demo.render import Demo, Progress, make_demo

__all__ = ["Demo", "Material", "Progress", "animate_photo", "find_material", "make_demo"]
