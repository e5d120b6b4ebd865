"""A Corefile's words: server blocks of directives, which may have directives of their own (caddyfile). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.dns.config.settings import SettingsError

_ENVIRONMENT = re.compile(r"\{\$(\w+)\}|\{%(\w+)%\}")
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Directive:
    """A line: its first word, the others, and what stands in its braces."""

    name: str
    arguments: tuple[str, ...]
    inner: tuple["Directive", ...]
    line: int

    def error(self, text: str) -> SettingsError:
        return SettingsError(f"Corefile:{self.line}: {self.name}: {text}")


@dataclass(frozen=True, slots=True)
class ServerBlock:
    keys: tuple[str, ...]
    directives: tuple[Directive, ...]
    line: int


@dataclass(slots=True)
class _Line:
    number: int
    words: list[str] = field(default_factory=list)


def variables(text: str) -> set[str]:
    """Of the environment, that a Corefile names."""
    return {match[1] or match[2] for match in _ENVIRONMENT.finditer(text)}


def parse(text: str, environment: Mapping[str, str]) -> list[ServerBlock]:
    """Raises SettingsError. Snippets are put in where they are imported."""
    lines = _lines(_ENVIRONMENT.sub(lambda match: environment.get(match[1] or match[2], ""), text))
    blocks: list[ServerBlock] = []
    snippets: dict[str, tuple[Directive, ...]] = {}
    at = 0
    while at < len(lines):
        keys: list[str] = []
        first = lines[at]
        while at < len(lines):  # keys may go over several lines, with commas between
            words = lines[at].words
            at += 1
            keys += [word.rstrip(",") for word in words if word not in ("{", ",")]
            if words[-1] == "{" or not words[-1].endswith(","):
                break
        if lines[at - 1].words[-1] != "{":
            if at == len(lines) or len(blocks) > 0:
                raise SettingsError(
                    f"Corefile:{first.number}: {' '.join(first.words)}: expected a server block in braces"
                )
            directives, at = _directives(lines, at, snippets, 0)  # a Corefile of one block may leave the braces out
        else:
            directives, at = _directives(lines, at, snippets, 0)
            if at > len(lines) or lines[at - 1].words != ["}"]:
                raise SettingsError(f"Corefile:{first.number}: {' '.join(keys)}: the closing brace is missing")
        if len(keys) == 1 and keys[0].startswith("(") and keys[0].endswith(")"):
            snippets[keys[0][1:-1]] = directives
        else:
            blocks.append(ServerBlock(tuple(keys), directives, first.number))
    return blocks


def _directives(
    lines: list[_Line], at: int, snippets: Mapping[str, tuple[Directive, ...]], depth: int
) -> tuple[tuple[Directive, ...], int]:
    """Up to the closing brace or the end, and the line behind it."""
    found: list[Directive] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.words == ["}"]:
            return tuple(found), at
        words = line.words
        inner: tuple[Directive, ...] = ()
        if words[-1] == "{":
            if depth == _DEEPEST or len(words) == 1:
                raise SettingsError(f"Corefile:{line.number}: a brace without a directive before it")
            words = words[:-1]
            inner, at = _directives(lines, at, snippets, depth + 1)
            if lines[at - 1].words != ["}"]:
                raise SettingsError(f"Corefile:{line.number}: {words[0]}: the closing brace is missing")
        if words[0] == "import" and len(words) == 2:
            found += _imported(words[1], snippets, line.number)
        else:
            found.append(Directive(words[0], tuple(words[1:]), inner, line.number))
    return tuple(found), at


def _imported(what: str, snippets: Mapping[str, tuple[Directive, ...]], line: int) -> tuple[Directive, ...]:
    """A snippet; a pattern of files, which may match none, matches none here."""
    if what in snippets:
        return snippets[what]
    if "*" in what:
        return ()
    raise SettingsError(f"Corefile:{line}: import: there is no snippet {what}, and files are not imported")


def _lines(text: str) -> list[_Line]:
    """Words between blanks or in double quotes; a word that begins with # comments the line out. Empty lines go."""
    found: list[_Line] = []
    number, at = 1, 0
    line = _Line(1)
    while at < len(text):
        char = text[at]
        if char == "\n":
            number += 1
            if line.words:
                found.append(line)
            line = _Line(number)
            at += 1
        elif char.isspace():
            at += 1
        elif char == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif char == '"':
            end = _closing_quote(text, at, number)
            line.words.append(text[at + 1 : end].replace('\\"', '"'))
            number += text.count("\n", at, end)
            at = end + 1
        else:
            end = at
            while end < len(text) and not text[end].isspace():
                end += 1
            line.words.append(text[at:end])
            at = end
    if line.words:
        found.append(line)
    return found


def _closing_quote(text: str, at: int, number: int) -> int:
    end = at + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise SettingsError(f"Corefile:{number}: a quote that is not closed")
    return end
