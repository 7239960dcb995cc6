"""Alter well-formed data so that it passes the first checks of a parser; the same seed makes the same changes."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from livebg.errors import LivebgError

_ODD: Final = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\x01\x00\x00\x00",
)
"""Numbers that programs stumble over, whichever end comes first."""
_STRETCH: Final = 400


def mutate(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one or several faults as from a disk, a cable, a program or an attacker."""
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        data = chance.choice(_FAULTS)(data, chance)
    return data


def seeds(rounds: int, what: str) -> Iterator[random.Random]:
    """A source of chance for each round, which what failed can be repeated with."""
    for number in range(rounds):
        yield random.Random(f"{what} {number}")


def is_sentence(text: str) -> bool:
    """Whether a text is one line that people may be shown, and no program's inner voice."""
    return bool(text.strip()) and "\n" not in text and text.isprintable() and len(text) < 1500 and "Traceback" not in text


def assert_sentence(error: LivebgError) -> None:
    """Messages to the user satisfy :func:`is_sentence`."""
    assert is_sentence(str(error)), repr(str(error))


def shuffled_lines(text: str, chance: random.Random) -> str:
    """A text with lines left out, doubled, exchanged and joined."""
    lines = text.split("\n")
    for _ in range(chance.randrange(1, 6)):
        place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(4):
            case 0 if len(lines) > 1:
                del lines[place]
            case 1:
                lines.insert(other, lines[place])
            case 2:
                lines[place], lines[other] = lines[other], lines[place]
            case _:
                lines[place] += lines[other]
    return "\n".join(lines)


def _some_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _some_bytes_at_start(data: bytes, chance: random.Random) -> bytes:
    return _some_bytes(data[:200], chance) + data[200:]


def _flip_bit(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _remove_range(data: bytes, chance: random.Random) -> bytes:
    begin, end = _random_range(data, chance)
    return data[:begin] + data[end:]


def _repeat_range(data: bytes, chance: random.Random) -> bytes:
    begin, end = _random_range(data, chance)
    return data[:end] + data[begin:]


def _zero_range(data: bytes, chance: random.Random) -> bytes:
    begin, end = _random_range(data, chance)
    return data[:begin] + bytes(end - begin) + data[end:]


def _insert_noise(data: bytes, chance: random.Random) -> bytes:
    begin, end = _random_range(data, chance)
    return data[:begin] + chance.randbytes(chance.randrange(_STRETCH)) + data[end:]


def _odd_number(data: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(data) + 1)
    odd = chance.choice(_ODD)[: chance.choice((1, 2, 4))]
    return data[:begin] + odd + data[begin + len(odd) :]


def _random_range(data: bytes, chance: random.Random) -> tuple[int, int]:
    begin = chance.randrange(len(data) + 1)
    return begin, min(len(data), begin + chance.randrange(_STRETCH))


_FAULTS: Final[Sequence[Callable[[bytes, random.Random], bytes]]] = (
    _some_bytes,
    _some_bytes_at_start,
    _flip_bit,
    _truncate,
    _remove_range,
    _repeat_range,
    _zero_range,
    _insert_noise,
    _odd_number,
    _odd_number,
)
