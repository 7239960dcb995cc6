"""Photos made at run time, and livebg's output for them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livebg.compositing.backgrounds import BlurBackground, ColorBackground
from livebg.compositing.composite import Consent, composite, cutout, render_matte
from livebg.compositing.compositor import Compositor, EffectFunction
from livebg.imaging.frame import Composite, Frame, Matte
from livebg.interfaces import Background
from livebg.pipeline import Passthrough, Pipeline
from livebg.rendering.photo import Photo, render_photo, write_photo
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.segmentation.u2net import U2NetSegmenter
from livebg.sinks.atomic_file import AtomicFile

Pixels = NDArray[np.uint8]
GREEN = (0, 255, 0)


def scene(width: int = 83, height: int = 61) -> Pixels:
    """Dark at the left, bright at the right (the toy networks' person), with colored noise."""
    ramp = np.clip((np.arange(width) - 0.35 * width) / max(0.3 * width, 1), 0, 1) * 215 + 20
    noise = np.random.default_rng(width * height).integers(-20, 21, (height, width, 3))
    pixels: Pixels = np.clip(ramp[None, :, None] + noise, 0, 255).astype(np.uint8)
    return pixels


def over_background(background: Background) -> EffectFunction:
    def look(frame: Frame, matte: Matte) -> Composite:
        return composite(frame, background.picture(frame, matte), matte)

    return look


def processor(segmenter: U2NetSegmenter, mode: str) -> Pipeline | Passthrough:
    if mode == "none":
        return Passthrough(Consent("test"))
    looks = {"matte": render_matte, "cutout": cutout}
    backgrounds: dict[str, Background] = {"portrait": BlurBackground(0.05), "greenscreen": ColorBackground(GREEN)}
    look = looks[mode] if mode in looks else over_background(backgrounds[mode])
    return Pipeline(segmenter, TemporalFilter(), GuidedUpsampler(), Compositor(look))


def alpha_of(photo: Photo, segmenter: U2NetSegmenter) -> Pixels:
    """The pipeline's own alpha, cropped to the photo's size."""
    pipeline = processor(segmenter, "matte")
    assert isinstance(pipeline, Pipeline)
    height, width = photo.rgb.shape[:2]
    return pipeline.matte(photo.frame).alpha[:height, :width]


def render_to_file(photo: Photo, segmenter: U2NetSegmenter, mode: str, path: Path) -> Image.Image:
    """The photo in a mode, by way of a file."""
    write_photo(render_photo(photo, processor(segmenter, mode), mode), AtomicFile(path), path)
    with Image.open(path) as image:
        image.load()
        return image


def save_pixels(pixels: Pixels, path: Path) -> Path:
    """The photo file of given pixels."""
    Image.fromarray(pixels).save(path)
    return path


def save_photo(path: Path, size: tuple[int, int] = (60, 40)) -> Pixels:
    """Save a photo, dark on the left and bright on the right, and give its pixels."""
    noise = np.random.default_rng(3).integers(-15, 16, (size[1], size[0], 3))
    pixels: Pixels = (np.where(np.arange(size[0]) < size[0] // 2, 30, 220)[None, :, None] + noise).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def pixels_of(path: str) -> Pixels:
    """A photo file as RGB, or as RGBA where it is."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA" if image.mode == "RGBA" else "RGB"))
