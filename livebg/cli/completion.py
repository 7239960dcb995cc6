"""Shell completion of values: each function returns the candidates that begin with what the user has typed so far.

Imports that no other command needs are inside the functions, to keep ``livebg --help`` fast.
"""

from collections.abc import Iterable

from livebg.config.choices import BUILTIN_BACKGROUNDS, LIVE_MODES


def complete_live_mode(incomplete: str) -> list[str]:
    """Modes of the virtual camera."""
    return _beginning(incomplete, LIVE_MODES)


def complete_background(incomplete: str) -> list[str]:
    """Built-in backgrounds."""
    return _beginning(incomplete, BUILTIN_BACKGROUNDS)


def complete_model(incomplete: str) -> list[str]:
    """Networks that livebg knows by name."""
    from livebg.models import REGISTRY

    return _beginning(incomplete, REGISTRY)


def complete_setting(incomplete: str) -> list[str]:
    """Settings that a running livebg can change, as ``KEY=``."""
    from livebg.daemon.settings_layers import settable_keys

    return _beginning(incomplete, (f"{key}=" for key in settable_keys()))


def _beginning(incomplete: str, candidates: Iterable[str]) -> list[str]:
    return [candidate for candidate in candidates if candidate.startswith(incomplete)]
