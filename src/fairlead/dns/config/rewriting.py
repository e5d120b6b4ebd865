"""The plugin `rewrite`: rules, and what they do to questions and to answers. Pure."""

import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from fairlead.dns.config.settings import Answer, Rewrite
from fairlead.dns.config.syntax import Directive
from fairlead.dns.config.words import zone_name
from fairlead.dns.wire import NAME_AT, Record, Reply, Type, WireError, decode_name, encode_name

LONGEST_PATTERN = 10000
MATCHES = ("exact", "prefix", "suffix", "substring", "regex")


def rewrites_of(directive: Directive) -> list[Rewrite]:
    """`rewrite [continue|stop] FIELD [MATCH] FROM TO …`; or the same in braces, `answer` on lines of its own."""
    words = list(directive.arguments)
    goes_on = bool(words) and words[0] == "continue"
    if words and words[0] in ("continue", "stop"):
        words.pop(0)
    for each in directive.inner:
        words += [each.name, *each.arguments]
    if not words:
        raise directive.error("takes a field and what to rewrite")
    field, *rest = words
    if field in MATCHES or field not in ("name", "type", "class", "ttl"):
        raise directive.error(f"rewriting {field} is not done here: name, type, class and ttl are")
    try:
        return [_rule(directive, field, rest, goes_on=goes_on)]
    except (re.error, ValueError) as error:
        raise directive.error(str(error)) from error


def _rule(directive: Directive, field: str, words: list[str], *, goes_on: bool) -> Rewrite:
    match = words.pop(0) if field in ("name", "ttl") and words and words[0] in MATCHES and len(words) > 2 else "exact"
    if len(words) < 2:
        raise directive.error("takes what to rewrite and what it becomes")
    before, after, *options = words
    if field == "type" and not {before.upper(), after.upper()} <= set(Type.__members__):
        raise directive.error(f"{before} or {after} is no type that is known here")
    if field == "name" and match != "regex":
        before, after = _lowered(match, before), _lowered(match, after)
    if match == "regex":
        _pattern(before)
        after = after.rstrip(".").lower() if field == "name" else after
    if field == "ttl":
        if match != "regex":
            before = _lowered(match, before)
        _range(after)
    auto, answers = _answers(directive, options)
    return Rewrite(
        field,  # type: ignore[arg-type]
        match,  # type: ignore[arg-type]
        before,
        after,
        goes_on=goes_on,
        auto=auto or (field == "name" and match == "exact"),
        answers=answers,
    )


def _lowered(match: str, text: str) -> str:
    """Exact names are whole; of others only a final dot goes, which names have none of here."""
    return zone_name(text) if match == "exact" else text.lower().removesuffix(".")


def _answers(directive: Directive, words: Sequence[str]) -> tuple[bool, tuple[Answer, ...]]:
    auto, found, at = False, [], 0
    while at < len(words):
        if words[at] == "answer":
            at += 1
        what = words[at] if at < len(words) else ""
        if what == "auto":
            auto, at = True, at + 1
        elif what in ("name", "value") and at + 1 < len(words) and words[at + 1] == "auto":
            auto, at = True, at + 2
        elif what in ("name", "value") and at + 2 < len(words):
            _pattern(words[at + 1])
            kind = "name" if what == "name" else "value"
            found.append(Answer(kind, words[at + 1], words[at + 2].rstrip(".").lower()))  # type: ignore[arg-type]
            at += 3
        else:
            raise directive.error(f"{' '.join(words[at:])!r} is no rule for answers")
    return auto, tuple(found)


def _pattern(text: str) -> re.Pattern[str]:
    if len(text) > LONGEST_PATTERN:
        raise ValueError("a pattern over 10000 characters")
    return re.compile(text)


def _range(text: str) -> tuple[int, int]:
    """`30`, `30-300`, `30-`, `-300`."""
    low, dash, high = text.partition("-")
    if not dash:
        return int(low), int(low)
    return int(low or 0), int(high or (1 << 31) - 1)


# At work.


class Question(msgspec.Struct, frozen=True, gc=False):
    name: str
    type: int
    klass: int


class Rewritten(msgspec.Struct, frozen=True, gc=False):
    """The question to answer, and the rules by which its answer is written back, first applied first."""

    question: Question
    undo: tuple[tuple[Rewrite, Question, Question], ...] = ()  # rule, before, after


def rewrite(rules: Sequence[Rewrite], question: Question) -> Rewritten:
    undo = []
    for rule in rules:
        changed = _changed(rule, question)
        if changed is None:
            continue
        undo.append((rule, question, changed))
        question = changed
        if not rule.goes_on:
            break
    return Rewritten(question, tuple(undo))


def _changed(rule: Rewrite, question: Question) -> Question | None:
    """None where the rule is not for it, or would make a name that is none."""
    match rule.field:
        case "type":
            same = question.type == Type[rule.before.upper()]
            return replace(question, type=int(Type[rule.after.upper()])) if same else None
        case "class":
            classes = {"IN": 1, "CH": 3, "HS": 4}
            same = question.klass == classes.get(rule.before.upper())
            return replace(question, klass=classes.get(rule.after.upper(), 1)) if same else None
        case "ttl":
            return question if _new_name(rule, question.name) is not None else None
    name = _new_name(rule, question.name)
    if name is None:
        return None
    try:
        encode_name(name)
    except (WireError, UnicodeEncodeError):
        return None
    return replace(question, name=name)


def _new_name(rule: Rewrite, name: str) -> str | None:
    before, after = rule.before, rule.after
    match rule.match:
        case "exact":
            return after if name == before else None
        case "prefix":
            return after + name[len(before) :] if name.startswith(before) else None
        case "suffix":
            return name[: len(name) - len(before)] + after if name.endswith(before) else None
        case "substring":
            return name.replace(before, after) if before in name else None
    # CoreDNS matches names with their final dot.
    found = re.search(before, name + ".") or re.search(before, name)
    return _filled(after, found) if found is not None else None


def _filled(template: str, match: re.Match[str]) -> str:
    text = template.replace("{0}", match[0])
    for index, group in enumerate(match.groups(default=""), 1):
        text = text.replace(f"{{{index}}}", group)
    return text.rstrip(".")


def write_back(rewritten: Rewritten, reply: Reply) -> Reply:
    """The answer, as an answer to the question that was asked."""
    if not rewritten.undo:
        return reply
    for rule, before, after in reversed(rewritten.undo):
        reply = replace(
            reply,
            answers=tuple(_written_back(rule, before, after, record) for record in reply.answers),
            authority=tuple(_written_back(rule, before, after, record) for record in reply.authority),
            additional=tuple(_written_back(rule, before, after, record) for record in reply.additional),
        )
    return reply


def _written_back(rule: Rewrite, before: Question, after: Question, record: Record) -> Record:
    if rule.field == "ttl":
        low, high = _range(rule.after)
        return replace(record, ttl=min(max(record.ttl, low), high))
    if rule.field != "name":
        return record
    name, target = record.name.lower(), _target(record)
    if rule.auto:
        name = _reversed(rule, before.name, after.name, name)
        target = _reversed(rule, before.name, after.name, target) if target is not None else None
    for answer in rule.answers:
        if answer.what == "name":
            name = _substituted(answer, name)
        elif target is not None:
            target = _substituted(answer, target)
    if target is not None and target != _target(record):
        fixed = NAME_AT[Type(record.type)]
        record = replace(record, data=record.data[:fixed] + encode_name(target))
    return record if name == record.name.lower() else replace(record, name=name)


def _reversed(rule: Rewrite, before: str, after: str, name: str) -> str:
    if rule.match == "suffix":
        return name[: len(name) - len(rule.after)] + rule.before if name.endswith(rule.after) else name
    if name == after:
        return before
    return name[: len(name) - len(after)] + before if name.endswith("." + after) else name


def _substituted(answer: Answer, name: str) -> str:
    found = re.search(answer.pattern, name + ".") or re.search(answer.pattern, name)
    return _filled(answer.replacement, found) if found is not None else name


def _target(record: Record) -> str | None:
    """The name that a record's data is or ends with, lowered."""
    if record.type not in NAME_AT:
        return None
    return decode_name(record.data, NAME_AT[Type(record.type)])[0].lower()
