"""``livebg help``: the topics of ``livebg/docs``, which are also the manual pages."""

import json
from collections.abc import Iterator
from importlib.resources import files
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import typer

from livebg.cli.console import output
from livebg.cli.options import completion
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_OVERVIEW: Final = "livebg"
"""The manual page livebg(1): a list of the commands, which ``livebg --help`` prints already."""
_MAX_COLUMNS: Final = 100


def help_(
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", autocompletion=completion(lambda: topics()), show_default=False)
    ] = None,
) -> None:
    """Show a help topic; without TOPIC, list the topics.

    The topics are formatted on a terminal, and plain Markdown in a pipe or a file.
    """
    _show(_topic_list() if topic is None else read_topic(topic))


def topics() -> dict[str, str]:
    """Return the one-line summary of each topic, by name, in alphabetical order."""
    pages = sorted(files("livebg").joinpath("docs").iterdir(), key=lambda page: page.name)
    names = [page.name.removesuffix(".md") for page in pages if page.name.endswith(".md")]
    return {name: _summary(_read(name)) for name in names if name != _OVERVIEW}


def read_topic(name: str) -> str:
    """Return the Markdown text of a topic; ``config`` includes every setting.

    Raises :class:`~livebg.errors.ConfigError` for an unknown name.
    """
    known = topics()
    if name not in known:
        raise ConfigError(f"Unknown help topic {name!r}.", f"The topics are {', '.join(known)}.")
    return "\n".join([_read(name), *_settings_reference()]) if name == "config" else _read(name)


def _settings_reference() -> Iterator[str]:
    """Yield the lines of a Markdown list of every setting with its type, default and description."""
    from livebg.config.settings import sections

    yield "## Settings\n"
    for section, model in sections().items():
        yield f"### [{section}]\n\n{model.__doc__}\n"
        for key, field in model.model_fields.items():
            default = json.dumps(field.get_default())
            yield f"- `{section}.{key}` ({_type_name(field)}; default `{default}`): {field.description}"
        yield ""


def _type_name(field: "FieldInfo") -> str:
    kind: Any = field.annotation
    if get_origin(kind) in (Union, UnionType):  # of a word and a limited number
        word, number = get_args(kind)
        base, limits = get_args(number)
        return f"`{get_args(word)[0]}` or {_number_name(base, limits)}"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of folders"
    if kind in (int, float):
        return _number_name(kind, field)
    return {bool: "true or false", str: "text"}[kind]


def _number_name(kind: type, field: "FieldInfo") -> str:
    return f"{'integer' if kind is int else 'number'}{_limits(field)}"


def _limits(field: "FieldInfo") -> str:
    low = next((limit.ge for limit in field.metadata if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in field.metadata if hasattr(limit, "le")), None)
    return "" if low is None or high is None else f", {low:g} to {high:g}"


def _topic_list() -> str:
    lines = [f"- `livebg help {name}`: {summary}" for name, summary in topics().items()]
    return "\n".join(["# Help topics", "", *lines, "", "`livebg COMMAND --help` lists the options of a command.", ""])


def _summary(page: str) -> str:
    """Return the first paragraph after the title, on one line."""
    return " ".join(page.split("\n\n")[1].split())


def _read(name: str) -> str:
    return files("livebg").joinpath("docs", f"{name}.md").read_text("utf-8")


def _show(text: str) -> None:
    out = output()
    if not out.is_terminal:
        out.print(text, markup=False, end="")
        return
    from rich.markdown import Markdown

    out.print(Markdown(text, hyperlinks=False), width=min(out.width, _MAX_COLUMNS), soft_wrap=False)
