"""Quality gate for edges and colors, on synthetic people and rooms with known truth."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.backgrounds import ColorBackground
from livebg.compositing.blending import alpha_planes
from livebg.compositing.composite import composite
from livebg.imaging.frame import BT709, Alpha, Alpha8, ColorSpec, Frame, Matte, planes, rgb_to_i420
from livebg.imaging.pyramid import Pyramid
from livebg.metrics.reference import as_alpha, gradient_error, mean_absolute_difference
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.synthetic import Cutout, Pose, blob_person, over, place, procedural_room, standing

SIZE = (1280, 720)
COLOR = ColorSpec(BT709)
PEOPLE = range(4)


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame, the person alone with colors extended beyond the outline, and the true alpha."""

    frame: Frame
    person: NDArray[np.uint8]
    alpha: Alpha8


def scene(seed: int) -> Scene:
    cutout = blob_person(seed)
    everywhere = Cutout(cutout.rgb, np.full_like(cutout.alpha, 255))
    matrix = standing((20, 30, 268, 320), Pose(), SIZE)
    layer, whole = place(cutout, matrix, SIZE), place(everywhere, matrix, SIZE)
    rgb, alpha = over(procedural_room(seed + 50, SIZE), layer)
    person = np.where(layer.alpha[..., None] > 24, layer.rgb, whole.rgb)
    return Scene(Frame(rgb_to_i420(rgb, COLOR), 0, Fraction(1, 30), COLOR), rgb_to_i420(person, COLOR), alpha)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(seed) for seed in PEOPLE]


def band_error(scene: Scene, alpha: Alpha8, screen: tuple[int, int, int], shown: NDArray[np.uint8]) -> float:
    """The mean error in the band, compared with the person's own colors composited over the screen with the same alpha."""
    behind = ColorBackground(screen).picture(scene.frame, Matte(alpha, 0.0, 0.0))
    errors = []
    for got, own, back, share, truth in zip(
        planes(shown),
        planes(scene.person),
        planes(behind),
        alpha_planes(Pyramid(alpha)),
        alpha_planes(Pyramid(scene.alpha)),
        strict=True,
    ):
        weight = share / 255
        band = (share > 0) & (share < 255) & (truth > 24)
        errors.append(np.abs(got - (own * weight + back * (1 - weight)))[band])
    return float(np.concatenate(errors).mean())


def plain_blend(frame: Frame, alpha: Alpha8, behind: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The observed picture blended over a background without removing the room."""
    out = np.empty_like(behind)
    for seen, back, share, target in zip(frame.planes, planes(behind), alpha_planes(Pyramid(alpha)), planes(out), strict=True):
        target[:] = np.rint(seen * (share / 255) + back * (1 - share / 255))
    return out


def recovery(scenes: list[Scene], alpha_of: Callable[[Scene], Alpha8], screen: tuple[int, int, int]) -> float:
    """The color error in the band relative to plain blending."""
    ours, plain = 0.0, 0.0
    for each in scenes:
        alpha = alpha_of(each)
        matte = Matte(alpha, 0.0, 0.0)
        behind = ColorBackground(screen).picture(each.frame, matte)
        ours += band_error(each, alpha, screen, composite(each.frame, behind, matte).data)
        plain += band_error(each, alpha, screen, plain_blend(each.frame, alpha, behind))
    return ours / plain


def upsampled(scene: Scene) -> Alpha8:
    """The true alpha, shrunk to the network's size and upsampled."""
    return GuidedUpsampler().upsample(shrunk(scene.alpha), scene.frame.pyramids[0], scene.frame.pyramids[1:])


def shrunk(alpha: Alpha8) -> Alpha:
    return np.asarray(cv2.resize(as_alpha(alpha), (256, 144), interpolation=cv2.INTER_AREA), np.float32)


@pytest.mark.parametrize("screen", [(0, 0, 0), (0, 255, 0)], ids=["black", "green"])
def test_person_colors_are_recovered(scenes: list[Scene], screen: tuple[int, int, int]) -> None:
    assert recovery(scenes, lambda each: each.alpha, screen) < 0.4
    assert recovery(scenes, upsampled, screen) < 0.5


def test_color_finds_edges_better_than_luma(scenes: list[Scene]) -> None:
    sums = np.zeros((2, 2))
    for each in scenes:
        # Like a network's result: less sharp than its size allows.
        given = np.asarray(cv2.GaussianBlur(shrunk(each.alpha), (0, 0), 1.5), np.float32)
        truth = as_alpha(each.alpha)
        for row, chroma in enumerate((None, each.frame.pyramids[1:])):
            alpha = as_alpha(GuidedUpsampler().upsample(given, each.frame.pyramids[0], chroma))
            sums[row] += mean_absolute_difference(alpha, truth), gradient_error(alpha, truth)
    by_luma, by_color = sums
    assert (by_color < 0.75 * by_luma).all()
    assert by_color[0] / len(scenes) < 4.0
