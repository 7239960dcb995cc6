"""The texts of the window, read from its source, and translation catalogs, read without gettext's tools."""

import ast
import re
from pathlib import Path

import livebg

_ENTRY = re.compile(r'^msgid ((?:"(?:[^"\\]|\\.)*"\n)+)msgstr ((?:"(?:[^"\\]|\\.)*"\n?)+)', re.MULTILINE)


def window_texts() -> dict[str, str]:
    """Every text that the window's modules pass to ``translate`` or ``marked``, with the module's name."""
    found = {}
    for path in sorted((Path(livebg.__file__).parent / "window").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("translate", "marked"):
                argument = node.args[0]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value:
                    found[argument.value] = path.stem
    return found


def read_po(path: Path) -> dict[str, str]:
    """The translations of a ``.po`` file by their original text, without its header."""
    entries = {_join(each[1]): _join(each[2]) for each in _ENTRY.finditer(path.read_text("utf-8"))}
    return {text: translated for text, translated in entries.items() if text}


def _join(literals: str) -> str:
    return "".join(ast.literal_eval(line) for line in literals.splitlines() if line.strip())
