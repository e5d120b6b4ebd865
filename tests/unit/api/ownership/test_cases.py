"""What structured-merge-diff itself (v6, over the schema of client-go) makes of sixty random changes: cases.jsonl.

A line says who applies or updates what over which object, with whose entries; and the object, the entries, the
conflicts or the error that came of it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.ownership import elements
from fairlead.api.ownership.changes import ConflictsError, Versions, applied, updated
from fairlead.api.ownership.fields import Fields
from fairlead.api.ownership.managers import Manager, Owned, Owners
from fairlead.api.ownership.shapes import shape_of
from fairlead.api.ownership.walks import problems

Json = dict[str, Any]

CASES: list[Json] = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]


def manager_of(name: str, version: str) -> Manager:
    who, _, operation = name.partition("/")
    return Manager.who_applies(who, "") if operation == "Apply" else Manager.who_updates(who, version)


def name_of(manager: Manager) -> str:
    return f"{manager.name}/{manager.operation}"


def outcome(case: Json) -> Json:
    version, kind = case["version"], case["kind"]
    shape = shape_of(version, kind)
    ignored = Fields({f"f:{name}" for name in case["ignored"]})
    versions = Versions(version, ignored, lambda _: shape, lambda obj, _version, _other: obj)
    owners: Owners = {
        manager_of(name, version): Owned(Fields.from_wire(fields), version) for name, fields in case["owners"].items()
    }
    manager, live, configuration = manager_of(case["manager"], version), case["live"], case["configuration"]
    if case["op"] == "update":
        after = updated(live, configuration, owners, manager, versions, "now")
        return {"after": {name_of(each): owned.fields.to_wire() for each, owned in after.items()}}
    if found := problems(configuration, shape):
        return {"error": found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in found)}
    try:
        new, after = applied(live, configuration, owners, manager, versions, "now", force=case["force"])
    except ConflictsError as error:
        return {"conflicts": sorted(f"{name_of(e.manager)} {elements.printed(e.path)}" for e in error.conflicts)}
    return {"object": new, "after": {name_of(each): owned.fields.to_wire() for each, owned in after.items()}}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_change_makes_what_it_makes_in_kubernetes(number: int) -> None:
    case = CASES[number]
    wanted = {key: case[key] for key in ("error", "conflicts", "object", "after") if key in case}
    assert outcome(case) == wanted
    if "after" in wanted:  # and in that order
        assert json.dumps(sorted(outcome(case)["after"].items())) == json.dumps(sorted(wanted["after"].items()))
