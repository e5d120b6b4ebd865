"""The history of a DaemonSet: which templates are remembered, and by which numbers."""

from typing import Any

import msgspec

from fairlead.api.types.apps import ControllerRevision, DaemonSet
from fairlead.controllers.history import HASH, data_of, plan

Json = dict[str, Any]


def daemon(image: str, limit: int = 10) -> DaemonSet:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}, "metadata": {"labels": {"app": "ds"}}}
    metadata = {"name": "ds", "namespace": "default", "uid": "1", "annotations": {"kubernetes.io/change-cause": image}}
    spec = {"template": template, "revisionHistoryLimit": limit}
    return msgspec.convert({"metadata": metadata, "spec": spec}, DaemonSet)


def remembered(image: str, revision: int) -> ControllerRevision:
    metadata = {"name": f"ds-{image}", "labels": {HASH: image}}
    return msgspec.convert(
        {"metadata": metadata, "data": data_of(daemon(image)), "revision": revision}, ControllerRevision
    )


def test_a_template_that_is_new_is_the_newest_revision() -> None:
    found = plan(daemon("b"), "b", [remembered("a", 4)], {"a"})
    assert found.create is not None
    assert (found.create["revision"], found.renumber, found.delete) == (5, None, ())
    assert found.create["metadata"]["labels"] == {"app": "ds", HASH: "b"}
    assert found.create["metadata"]["annotations"] == {"kubernetes.io/change-cause": "b"}
    again = plan(daemon("b"), "b", [remembered("a", 4), remembered("b", 5)], {"a"})
    assert (again.create, again.renumber, again.delete) == (None, None, ())


def test_a_template_that_comes_back_becomes_the_newest_revision() -> None:
    first = remembered("a", 1)
    found = plan(daemon("a"), "a", [first, remembered("b", 2)], set())
    assert (found.create, found.renumber) == (None, (first, 3))


def test_of_too_many_the_oldest_that_no_pod_is_made_of_are_forgotten() -> None:
    old = [remembered(image, number) for number, image in enumerate("abcd", 1)]
    found = plan(daemon("e", limit=2), "e", old, {"a"})
    assert [each.metadata.name for each in found.delete] == ["ds-b", "ds-c"]


def test_the_patch_is_written_as_clients_that_compare_it_write_it() -> None:
    text = msgspec.json.encode(data_of(daemon("a"))).decode()
    assert text == (
        '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"ds"}},'
        '"spec":{"containers":[{"image":"a","name":"c"}]}}}}'
    )
