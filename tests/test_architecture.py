"""Who may import whom, who may make what: the rules of the house, read from its source."""

import ast
import functools
from pathlib import Path

import pytest

import livebg

ROOT = Path(livebg.__file__).parent
FLOORS = [
    {"errors", "frame", "interfaces", "pyramid", "timing"},
    {
        "config",
        "notation",
        "containers",
        "setting_errors",
        "jobs",
        "models",
        "network",
        "providers",
        "runtime",
        "segmentation",
        "smoothing",
        "carrying",
        "matting",
        "compositing",
        "framing",
        "foreground",
        "specks",
        "placing",
        "pillow",
        "moving_background",
        "tiles",
        "backgrounds",
        "scenery",
        "v4l2",
        "geometry",
        "placeholder",
        "recolor",
        "sources",
        "sinks",
        "synthetic",
    },
    {"pipeline"},
    {"build", "setting_sources"},
    {"photo", "lookahead", "render", "batch", "reporting", "score", "bench", "demo", "evaluation", "training", "live", "devices"},
    {"doctor", "setup", "preview"},
    {"tray"},
    {"cli", "__main__"},
]
HEAVY = {"av", "cv2", "onnx", "onnxruntime", "pystray", "PIL", "skimage", "skvideo"}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module by its dotted path below the package."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}


def imports(tree: ast.AST) -> set[str]:
    """The dotted names that a tree imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(dotted: str) -> str:
    """``livebg.sinks.file.FileSink`` or ``sinks.file`` -> ``sinks``."""
    return dotted.removeprefix("livebg.").split(".")[0]


def floor(name: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if name in names)


@pytest.mark.parametrize("module", [name for name in modules() if name != "__init__"])
def test_a_room_imports_from_its_floor_or_below(module: str) -> None:
    for imported in imports(modules()[module]):
        if imported.startswith("livebg.") and imported != "livebg.__version__":
            assert floor(room(imported)) <= floor(room(module)), f"{module} may not import {imported}"


@pytest.mark.parametrize("module", [name for name in modules() if name != "__init__" and floor(room(name)) < floor("build")])
def test_below_build_nobody_knows_the_settings(module: str) -> None:
    assert not any(imported.startswith("livebg.config.Settings") for imported in imports(modules()[module]))


def test_only_compositing_holds_the_seal() -> None:
    holders = {name for name, tree in modules().items() if "_SEAL" in ast.dump(tree)}
    assert holders == {"frame", "compositing"}


def test_only_the_command_line_gives_consent() -> None:
    makers = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Consent"
    }
    assert {room(name) for name in makers} == {"cli"}


@pytest.mark.parametrize("module", [name for name in modules() if room(name) not in ("cli", "compositing")])
def test_nobody_else_keeps_a_way_to_give_consent(module: str) -> None:
    """Outside the command line the class is named in annotations alone: handed on, or under another name, it could be called."""
    tree = modules()[module]
    annotations = {
        id(node)
        for each in ast.walk(tree)
        for annotation in (getattr(each, "annotation", None), getattr(each, "returns", None))
        if isinstance(annotation, ast.AST)
        for node in ast.walk(annotation)
    }
    for node in ast.walk(tree):
        named = isinstance(node, ast.Name) and node.id == "Consent"
        assert not named or id(node) in annotations, f"{module}, line {getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Attribute) and node.attr == "Consent"), module
        assert not (isinstance(node, ast.alias) and node.name == "Consent" and node.asname), module


def test_the_live_sessions_own_commands_need_no_consent() -> None:
    """Those that show the room are the command line's, which gives the user's word with each message."""
    commands = ast.unparse(modules()["live.control.commands"])
    assert "steering.on" in commands
    assert "steering.off" not in commands
    assert "steering.toggle" not in commands


@pytest.mark.parametrize("module", [name for name in modules() if room(name) != "cli" and not name.endswith("__main__")])
def test_only_the_command_line_prints_or_exits(module: str) -> None:
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit"), f"{module}, line {node.lineno}"
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "SystemExit" not in ast.dump(node.exc), f"{module}, line {node.lineno}"


def test_onnxruntime_comes_in_by_one_door() -> None:
    """There its telemetry is switched off before it is loaded."""
    users = {
        name for name, tree in modules().items() if any(imported.split(".")[0] == "onnxruntime" for imported in imports(tree))
    }
    assert users == {"runtime"}


def test_help_needs_nothing_heavy() -> None:
    """At the top of the command line's modules, and of what they import there, nothing heavy is imported."""
    trees = modules()
    seen, waiting = set[str](), ["cli.__init__"]
    while waiting:
        name = waiting.pop()
        seen.add(name)
        top = ast.Module([node for node in trees[name].body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        for imported in imports(top):
            assert imported.split(".")[0] not in HEAVY, f"{name} imports {imported}"
            parts = imported.removeprefix("livebg.").split(".")
            nexts = [".".join(parts[:end]) + suffix for end in range(1, len(parts) + 1) for suffix in ("", ".__init__")]
            waiting += [other for other in nexts if imported.startswith("livebg.") and other in trees and other not in seen]
    assert "config" in seen
