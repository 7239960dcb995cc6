"""Shell completion of values: each function returns the candidates that begin with what the user has typed so far.

The imports are inside the functions, because no other command needs them, ``livebg --help`` included.
"""

from collections.abc import Iterable


def complete_live_mode(incomplete: str) -> list[str]:
    """Modes of the virtual camera."""
    from livebg.daemon.saved_choices import LIVE_MODES

    return _beginning(incomplete, LIVE_MODES)


def complete_background(incomplete: str) -> list[str]:
    """Built-in backgrounds."""
    from livebg.compositing.builtin_backgrounds import names

    return _beginning(incomplete, names())


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
