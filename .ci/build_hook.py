"""A hatch build hook that adds manual pages, the version and, if there is a C compiler, the compiled kernels to the wheel.

The pages are made of ``livebg/docs``, under ``share/man``: ``livebg.md`` becomes livebg(1), every other topic livebg-TOPIC(7).
Only what those files use of Markdown is rendered. An editable installation has its kernels in the checkout.
"""

import re
import runpy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

OVERVIEW: Final = "livebg"


class WheelHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's parameter is an internal class
    """Writes the files to a temporary folder, which exists during the build only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="livebg-build-"))
        build_data["shared_data"] |= self._write_man_pages()
        if version != "editable":
            build_data["force_include"][str(self._write_version())] = "livebg/_version.py"
        self._compile_kernels(version == "editable", build_data)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        shutil.rmtree(self._folder)

    def _write_version(self) -> Path:
        """Write the version of this build in the place of that of the last release."""
        text = Path(self.root, "livebg", "_version.py").read_text("utf-8")
        written = self._folder / "_version.py"
        written.write_text(re.sub(r'(__version__: Final = )".*"', rf'\g<1>"{self.metadata.version}"', text), "utf-8")
        return written

    def _write_man_pages(self) -> dict[str, str]:
        """Return where each page belongs in the environment, by its path."""
        docs = sorted(Path(self.root, "livebg", "docs").glob("*.md"))
        topics = [page.stem for page in docs if page.stem != OVERVIEW]
        example = Path(self.root, "config.example.toml").read_text("utf-8")
        targets = {}
        for page in docs:
            text = page.read_text("utf-8")
            if page.stem == "config":
                text += f"\n## config.example.toml\n\n```toml\n{example}```\n"
            name, section = (OVERVIEW, 1) if page.stem == OVERVIEW else (f"{OVERVIEW}-{page.stem}", 7)
            others = [f"{OVERVIEW}-{topic}(7)" for topic in topics] if section == 1 else [f"{OVERVIEW}(1)"]
            written = self._folder / f"{name}.{section}"
            written.write_text(man_page(name, section, text, others), "utf-8")
            targets[str(written)] = f"share/man/man{section}/{written.name}"
        return targets

    def _compile_kernels(self, in_place: bool, build_data: dict[str, Any]) -> None:
        """Compile the kernels into the checkout or the wheel. A wheel without them fits every platform."""
        native = Path(self.root, "livebg", "native")
        compiling = runpy.run_path(str(native / "build.py"))
        try:
            extension = compiling["build"](native if in_place else self._folder)
        except compiling["BuildError"] as error:
            self.app.display_warning(f"livebg is installed without compiled kernels, and uses more CPU time: {error}")
            return
        if not in_place:
            build_data["force_include"][str(extension)] = f"livebg/native/{extension.name}"
            build_data |= {"pure_python": False, "tag": compiling["TAG"]}


def man_page(name: str, section: int, markdown: str, see_also: list[str]) -> str:
    """Return roff for man(7). The first two blocks of ``markdown`` are a title and a paragraph, which becomes the summary."""
    _, summary, *blocks = SyntaxTreeNode(MarkdownIt().enable("table").parse(markdown)).children
    lines = [f'.TH "{name.upper()}" "{section}" "" "livebg" "livebg manual"', '.SH "NAME"']
    lines.append(f"{_escape(name)} \\- {_inline(summary).rstrip('.')}".replace("\n", " "))
    if blocks[0].type != "heading":
        lines.append('.SH "DESCRIPTION"')
    lines += [line for block in blocks for line in _block(block)]
    return "\n".join([*lines, '.SH "SEE ALSO"', _escape(", ".join(see_also)), ""])


def _block(node: SyntaxTreeNode) -> Iterator[str]:
    match node.type:
        case "heading" if node.tag == "h2":
            yield f'.SH "{_inline(node).upper()}"'
        case "heading":
            yield f'.SS "{_inline(node)}"'
        case "paragraph":
            yield from (".PP", _inline(node))
        case "fence":
            code = (_at_line_start(_escape(line)) for line in node.content.splitlines())
            yield from (".PP", ".RS 4", ".nf", *code, ".fi", ".RE")
        case "bullet_list" | "ordered_list":
            for number, item in enumerate(node.children, 1):
                yield ".IP \\(bu 2" if node.type == "bullet_list" else f'.IP "{number}." 4'
                yield from (_inline(paragraph) for paragraph in item.children)
        case "table":
            for row in node.children[1].children:
                term, *rest = (_inline(cell) for cell in row.children)
                yield from (".TP", term, "; ".join(rest))
        case other:
            raise ValueError(f"Cannot render Markdown block {other!r} in a manual page. Use another block, or add it here.")


def _inline(node: SyntaxTreeNode) -> str:
    """Return the text of a block in roff; its lines are those of the Markdown file."""
    text = "".join(_span(child) for inline in node.children for child in inline.children)
    return "\n".join(map(_at_line_start, text.splitlines()))


def _span(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text":
            return _escape(node.content)
        case "code_inline":
            return f"\\fB{_escape(node.content)}\\fR"
        case "softbreak":
            return "\n"
        case "strong" | "em":
            font = "B" if node.type == "strong" else "I"
            return f"\\f{font}{''.join(map(_span, node.children))}\\fR"
        case other:
            raise ValueError(f"Cannot render Markdown span {other!r} in a manual page. Use another span, or add it here.")


def _escape(text: str) -> str:
    """Escape what roff would interpret, and keep the characters that people copy from code ASCII."""
    special = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
    return re.sub(r"[\\\-'`^~\"]", lambda found: special[found[0]], text)


def _at_line_start(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "\\(aq")) else line
