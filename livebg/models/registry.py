"""The networks that livebg knows by name: description, origin and input format."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from livebg.errors import ModelError

Channels = tuple[float, float, float]
"""One number each for red, green and blue."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Metadata of a network; the defaults are those of the U²-Net family.

    ``pixels`` is the default number of input pixels, in the aspect ratio of the frame; None means the size it was exported for.
    Sizes are rounded to multiples of ``stride``. The input is ``(rgb / 255 - mean) / std``. ``sha256`` (hexadecimal) and
    ``size_bytes`` describe the downloaded file; they are empty and 0 for a ``bundled`` network, which is part of the package.
    """

    name: str
    file_name: str
    license: str
    description: str
    bundled: bool = False
    size_bytes: int = 0
    sha256: str = ""
    url: str = ""
    mean: Channels = (0.485, 0.456, 0.406)
    std: Channels = (0.229, 0.224, 0.225)
    pixels: int | None = None
    stride: int = 16


_ZERO_MEAN: Final[Channels] = (0.0, 0.0, 0.0)
_UNIT_STD: Final[Channels] = (1.0, 1.0, 1.0)
_RELEASE: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_CARDS: Final = (
    ModelCard(
        name="livebg-u2",
        file_name="livebg-u2.onnx",
        license="MIT; weights trained by this project from u2netp (Apache-2.0)",
        description="a small U²-Net for people, trained for livebg",
        bundled=True,
        mean=_ZERO_MEAN,
        std=_UNIT_STD,
        pixels=256 * 144,
    ),
    ModelCard(
        name="u2netp",
        file_name="u2netp.onnx",
        license="Apache-2.0",
        description="the small U²-Net for salient objects, including people",
        size_bytes=4_574_861,
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        url=_RELEASE + "u2netp.onnx",
        # Mean IoU at 192x192 pixels in the frame's aspect ratio, compared with the 320x320 of its training: 0.93 and 0.87 on
        # portraits, 0.925 and 0.96 on small people in wide pictures. It takes a third of the time. 192x112 misses people (0.85).
        pixels=192 * 192,
    ),
    ModelCard(
        name="u2net_human_seg",
        file_name="u2net_human_seg.onnx",
        license="Apache-2.0",
        description="the full U²-Net trained on people; slow, for recorded files",
        size_bytes=175_997_641,
        sha256="01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
        url=_RELEASE + "u2net_human_seg.onnx",
        pixels=320 * 320,
    ),
)
REGISTRY: Final[Mapping[str, ModelCard]] = MappingProxyType({card.name: card for card in _CARDS})
"""All networks by name, in the order of `livebg models`."""


def card_named(name: str) -> ModelCard:
    """Return the card of a registry network. Raises ModelError with the closest name for an unknown name."""
    if name in REGISTRY:
        return REGISTRY[name]
    nearest = get_close_matches(name.lower(), REGISTRY, n=1, cutoff=0.4)
    advice = f"Did you mean {nearest[0]}?" if nearest else f"Use {', '.join(REGISTRY)}."
    raise ModelError(f"Unknown model {name!r}.", f"{advice} Or set model.name to the path of an .onnx file.")


def unknown_card(file_name: str) -> ModelCard:
    """Return a card for a network that is not in the registry, with the defaults of the U²-Net family."""
    return ModelCard(
        name=file_name.removesuffix(".onnx"), file_name=file_name, license="unknown", description="a network of your own"
    )


def with_metadata(card: ModelCard, metadata: Mapping[str, str]) -> ModelCard:
    """Return the card updated with the metadata of the ONNX file.

    livebg's training stores the ``input`` range (0..1) and the ``stride`` in the metadata, so a newly trained network works by
    its path without a card. Metadata of other files is ignored.
    """
    if not metadata.get("input", "").endswith("0..1"):
        return card
    stride = metadata.get("stride", "")
    usable = stride.isascii() and stride.isdecimal() and len(stride) <= 3 and int(stride) > 0
    file_stride = int(stride) if usable else card.stride
    return replace(card, mean=_ZERO_MEAN, std=_UNIT_STD, stride=file_stride)
