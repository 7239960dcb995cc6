"""A process that uses livebg's window through AT-SPI. It answers requests on standard input, each a line of JSON."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from livebg.tray.desktop import import_system_gi

ROLES = {"button": "push button", "toggle button": "push button"}
"""Newer names of roles, of at-spi 2.53 and GTK 4.10, and the names that the tests use."""


def nodes(node: Any) -> Iterator[Any]:
    """``node`` and everything below it."""
    yield node
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield from nodes(child)


def is_showing(node: Any, states: Any) -> bool:
    """Whether a node is on the visible page. GTK reports the state VISIBLE for what is mapped."""
    return bool(node.get_state_set().contains(states.VISIBLE))


def answer(request: dict[str, Any], atspi: Any) -> Any:
    desktop = atspi.get_desktop(0)
    desktop.clear_cache()  # events that would update it need a main loop
    found: dict[str, list[Any]] = {}
    for index in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(index)
        program.clear_cache()
        for node in nodes(program):
            role = node.get_role_name()
            if ROLES.get(role, role) == request["role"] and is_showing(node, atspi.StateType):
                found.setdefault(plain_name(node.get_name()), []).append(node)
    if request["do"] == "list":
        return {name: facts(alike[0], atspi.StateType) for name, alike in found.items()}
    alike = found.get(request["name"], [])
    if not alike:
        return False
    node = alike[0]  # a dialog has its buttons twice, first those of a wide window
    if request["do"] == "click":
        return node.get_action_iface().do_action(0)
    return node.get_value_iface().set_current_value(request["value"])


def plain_name(name: str) -> str:
    """The name without its repetition: GTK joins the label of a button and of what labels it."""
    half = name[: len(name) // 2]
    return half if name == f"{half} {half}" else name


def facts(node: Any, states: Any) -> dict[str, Any]:
    has = node.get_state_set().contains
    value = node.get_value_iface()
    return {
        "value": value.get_current_value() if value else None,
        "checked": bool(has(states.CHECKED) or has(states.PRESSED)),
        "enabled": bool(has(states.SENSITIVE)),
        "focusable": bool(has(states.FOCUSABLE)),
    }


def main() -> None:
    import_system_gi()
    import gi

    gi.require_version("Atspi", "2.0")
    from gi.repository import Atspi, GLib

    Atspi.init()
    for line in sys.stdin:
        try:
            result = answer(json.loads(line), Atspi)
        except GLib.Error:  # the window changed meanwhile
            result = {} if '"list"' in line else False
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
