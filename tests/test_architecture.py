"""The architecture: which package may import which, and which module may construct what. Read from the source."""

import ast
import functools
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import livebg

ROOT = Path(livebg.__file__).parent
LAYERS = [
    {"_version", "errors", "clock", "imaging", "interfaces", "native", "platform"},
    {"models", "v4l2"},
    {"segmentation", "sources", "sinks", "compositing", "synthetic"},
    {"pipeline"},
    {"config"},
    {"factory"},
    {"rendering", "metrics", "system"},
    {"live", "demo"},
    {"daemon"},
    {"bench", "preview", "setup"},
    {"doctor", "tray"},
    {"window"},
    {"cli", "__main__"},
    {"lab"},
]
"""From the bottom up: a package imports from its own layer or from those below."""
FOUNDATION = frozenset(name for layer in LAYERS[:4] for name in layer)
"""Packages that do not depend on the settings."""
MAX_ROOT_MODULES = 8
HEAVY = {
    *("PIL", "av", "cv2", "onnx", "onnxruntime", "pillow_heif"),
    *("pydantic", "pydantic_settings", "pystray", "skimage", "skvideo"),
}


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


def package(dotted: str) -> str:
    """``livebg.sinks.file.FileSink`` or ``sinks.file`` -> ``sinks``."""
    return dotted.removeprefix("livebg.").split(".")[0]


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imported_modules(module: str) -> Iterator[str]:
    """The modules of livebg that ``module`` imports, those for annotations and those inside of functions included."""
    for imported in imports(modules()[module]):
        parts = imported.split(".")[1:]
        if imported.startswith("livebg.") and imported != "livebg.__version__":
            found = [".".join(parts[:end]) + suffix for end in (len(parts), len(parts) - 1) for suffix in ("", ".__init__")]
            yield next(name for name in found if name in modules())


def siblings(parent: str) -> dict[str, set[str]]:
    """The modules and subpackages of the package ``parent`` ("" for livebg), and which of the others each of them imports."""
    prefix = f"{parent}." if parent else ""

    def child(module: str) -> str:
        return prefix + module.removeprefix(prefix).split(".")[0]

    graph: dict[str, set[str]] = {}
    for module in modules():
        if module.startswith(prefix) and module != "__init__":
            others = {child(imported) for imported in imported_modules(module) if imported.startswith(prefix)}
            graph.setdefault(child(module), set()).update(others - {child(module)})
    return graph


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """A cycle in ``graph``; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("module", [name for name in modules() if name != "__init__"])
def test_module_imports_from_its_layer_or_below(module: str) -> None:
    for imported in imports(modules()[module]):
        if imported.startswith("livebg.") and imported != "livebg.__version__":
            assert layer(package(imported)) <= layer(package(module)), f"{module} must not import {imported}"


def test_layers_name_every_package_once() -> None:
    named = [name for names in LAYERS for name in names]
    assert sorted(named) == sorted({package(name) for name in modules()} - {"__init__"})


def test_modules_have_no_import_cycle() -> None:
    assert cycle({module: set(imported_modules(module)) - {module} for module in modules()}) == []


@pytest.mark.parametrize("parent", sorted({name.rpartition(".")[0] for name in modules()}))
def test_package_has_no_import_cycle(parent: str) -> None:
    """Neither among the top-level packages nor among the modules and subpackages of one of them."""
    assert cycle(siblings(parent)) == []


def test_root_has_few_modules() -> None:
    found = {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__", "_version"}
    assert len(found) <= MAX_ROOT_MODULES, sorted(found)


@pytest.mark.parametrize("module", [name for name in modules() if package(name) in FOUNDATION])
def test_foundation_does_not_import_settings(module: str) -> None:
    assert not any(imported.startswith("livebg.config.settings.") for imported in imports(modules()[module]))


def test_only_compositing_uses_the_seal() -> None:
    holders = {name for name, tree in modules().items() if "_SEAL" in ast.dump(tree)}
    assert holders == {"imaging.frame", "compositing.composite"}


def test_only_cli_creates_consent() -> None:
    makers = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Consent"
    }
    assert {package(name) for name in makers} == {"cli"}


@pytest.mark.parametrize("module", [name for name in modules() if package(name) != "cli" and name != "compositing.composite"])
def test_consent_outside_cli_appears_only_in_annotations(module: str) -> None:
    """Outside the command line the class is used only in annotations; otherwise it could be called under another name."""
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


def test_session_commands_need_no_consent() -> None:
    """Those that show the room are the command line's, which gives the user's word with each message."""
    commands = ast.unparse(modules()["daemon.commands"])
    assert "controller.on" in commands
    assert "controller.off" not in commands
    assert "controller.toggle" not in commands


@pytest.mark.parametrize("module", [name for name in modules() if package(name) != "cli" and not name.endswith("__main__")])
def test_only_cli_prints_or_exits(module: str) -> None:
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit"), f"{module}, line {node.lineno}"
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "SystemExit" not in ast.dump(node.exc), f"{module}, line {node.lineno}"


def test_only_ort_module_imports_onnxruntime() -> None:
    """Its telemetry is disabled there before it is imported."""
    users = {
        name for name, tree in modules().items() if any(imported.split(".")[0] == "onnxruntime" for imported in imports(tree))
    }
    assert users == {"segmentation.ort"}


def test_help_imports_nothing_heavy() -> None:
    """At the top of the command line's modules, and of modules they import there, nothing slow is imported."""
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
    assert "config.choices" in seen


def diagram() -> dict[str, int]:
    """The rows of the package diagram in DESIGN.md, numbered from the top, by the names of their packages."""
    text = (ROOT.parent / ".github" / "DESIGN.md").read_text("utf-8")
    rows = text.partition("## Packages")[2].split("```")[1].strip().splitlines()
    return {name: number for number, row in enumerate(rows) for name in row.partition("|")[0].split()}


def test_package_diagram_names_every_package() -> None:
    assert diagram().keys() == {package(name) for name in modules()} - {"__init__", "__main__", "_version"}


def test_package_diagram_imports_point_downward() -> None:
    rows = diagram() | {"__main__": -1}
    for module in modules():
        for imported in imported_modules(module):
            importer, target = package(module), package(imported)
            if "__init__" not in (importer, target):
                assert rows[target] >= rows[importer], f"{module} imports {imported}"
