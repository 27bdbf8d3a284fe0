"""Reference pages made from the code: HTTP from the OpenAPI document, commands from typer, the Python interface."""

import json
import re
from collections.abc import Iterator
from typing import Any

import stage

import gaia_redshift
from gaia_redshift.bundle import SHIPPED_MODELS

_METHODS = ("get", "post")
_LONGEST = 2_000
"""Longer examples are cut; they are complete in the service's /openapi.json."""


def pages() -> dict[str, str]:
    """Return the pages, Markdown by their place in the site."""
    return {
        "reference/endpoints.md": endpoints(),
        "reference/options.md": options(),
        "reference/classes.md": classes(),
        "project/examples.md": examples(),
    }


def examples() -> str:
    """Return the page with the number of examples and a list of those that the tests do not run."""
    blocks, rows, later = 0, [], 0
    for page in stage.pages():
        text = (stage.ROOT / page).read_text(encoding="utf-8")
        blocks += len(re.findall(r"^ *```(?:sh|python|console)$", text, flags=re.MULTILINE))
        later += len(re.findall(r"skip: next if\(not long_examples", text))
        for left_out in re.finditer(r'skip: next "([^"]+)" -->', text):
            line = text[: left_out.start()].count("\n") + 2
            rows.append(f"| `{page}`, line {line} | {left_out[1]} |")
    return (
        f"# Tested examples\n\nThe pages have {blocks} blocks of `sh`, `python` and `console`. The tests run all but "
        f"{len(rows)}, and check their output; {later} of them only by `make test-docs`, since they take minutes, and "
        "one only if its file is there. Notebooks are run when the site is built. Not run:\n\n"
        "| where | why |\n|---|---|\n" + "\n".join(rows) + "\n"
    )


def classes() -> str:
    """Return the page of the library's interface, whose docstrings numpydoc reads."""
    parts = [
        "# Python: every class and function\n\nMade from the docstrings; [how to use them](../how-to/python.md).\n",
        "## What `import gaia_redshift` gives\n",
    ]
    for name in gaia_redshift.__all__:
        thing = getattr(gaia_redshift, name)
        if isinstance(thing, type):
            shown = "autoclass", "\n:members:\n:inherited-members:\n:special-members: __call__"
        elif callable(thing):
            shown = "autofunction", ""
        else:
            continue
        directive, more = shown
        target = f"{thing.__module__}.{thing.__qualname__}"
        parts.append(f"### {name}\n\n```{{eval-rst}}\n.. {directive}:: {target}{_indented(more)}\n```\n")
    return "\n".join(parts)


def _indented(options: str) -> str:
    return options.replace("\n", "\n   ")


def options() -> str:
    """Return the page of the commands with all their options."""
    import typer

    from gaia_redshift.commands.main import build

    group: Any = typer.main.get_command(build())
    parts = [
        "# Commands: every option\n\nMade from the commands, which show the same with `--help`; "
        "[what each is for](commands.md).\n"
    ]
    for name, command in group.commands.items():
        parts.append(f"## gaia-redshift {name}\n\n{_prose(command.help or '')}\n")
        examples = [line.strip() for line in (command.epilog or "").splitlines() if "gaia-redshift" in line]
        if examples:
            parts.append("```sh\n" + "\n".join(examples) + "\n```\n")
        rows = list(_parameters(command))
        if rows:
            parts.append("| | |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _parameters(command: Any) -> Iterator[str]:
    context = command.make_context(command.name, [], resilient_parsing=True)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            option, about = (_cell(text.replace(str(SHIPPED_MODELS), "those that ship")) for text in record)
            yield f"| `{option}` | {_prose(about)} |"


def endpoints() -> str:
    """Return the page of the HTTP interface with all endpoints and fields, from the service's OpenAPI document."""
    from app.main import create_app
    from app.settings import Settings

    everything = {"archive_url": "https://example.org/datalink", "admin_keys": {"admin": "0" * 64}}
    document = create_app(Settings(**everything)).openapi()  # type: ignore[arg-type]
    parts = [
        "# HTTP: every endpoint\n\nMade from the service's OpenAPI document (`/openapi.json`, interactive at `/docs`); "
        "[a summary](http.md). `/models/reload` needs admin keys in the settings, and `/predict/sources` needs "
        "`GAIA_REDSHIFT_ARCHIVE_URL`.\n"
    ]
    parts += [
        _endpoint(path, method.upper(), methods[method])
        for path, methods in document["paths"].items()
        for method in _METHODS
        if method in methods
    ]
    parts.append("## Bodies\n")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _endpoint(path: str, method: str, operation: dict[str, Any]) -> str:
    text = f"## {method} {path}\n\n{_prose(operation.get('description') or operation.get('summary', ''))}\n"
    parameters = [
        f"| `{each['name']}` | {each['in']} | {_type(each.get('schema', {}))} | {_cell(each.get('description', ''))} |"
        for each in operation.get("parameters", [])
    ]
    if parameters:
        text += "\n| parameter | in | | |\n|---|---|---|---|\n" + "\n".join(parameters) + "\n"
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        text += "\nBody: " + ", ".join(f"`{kind}`{_of(content)}" for kind, content in body.items()) + ".\n"
    replies = []
    for status, reply in operation.get("responses", {}).items():
        content = reply.get("content", {})
        kinds = ", ".join(f"`{kind}`{_of(each)}" for kind, each in content.items())
        replies.append(f"| {status} | {_cell(reply.get('description', ''))} | {kinds} |")
    return text + "\n| status | | content |\n|---|---|---|\n" + "\n".join(replies) + "\n"


def _of(content: dict[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f" ([{name}](#{name.lower()}))" if name else ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = f"### {name}\n\n{_prose(schema.get('description', ''))}\n"
    needed = schema.get("required", [])
    rows = [
        f"| `{field}`{'' if field in needed else ', optional'} | {_type(one)} | {_cell(one.get('description', ''))} |"
        for field, one in schema.get("properties", {}).items()
    ]
    if rows:
        text += "\n| field | | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    example = json.dumps(schema["example"]) if "example" in schema else ""
    if example:
        cut = example if len(example) <= _LONGEST else f"{example[:_LONGEST]} ..."
        text += f"\n```text\n{cut}\n```\n"
    return text


def _type(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return " or ".join(dict.fromkeys(map(_type, several)))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return a docstring's text as Markdown: literals in one backquote each, angle brackets shown."""
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"(?<!`)<(?=[A-Za-z/])", r"\\<", text).strip()
