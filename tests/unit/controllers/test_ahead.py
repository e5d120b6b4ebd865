"""Reading one's own writes before the watch brings them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Pod
from fairlead.client.informer import Informer
from fairlead.controllers.ahead import Ahead
from tests.unit.controllers.objects import pod


class Watched:
    """A cache whose events a test sends itself."""

    def __init__(self) -> None:
        self.informer: Informer[Pod] = Informer(None, "pods", Pod)  # type: ignore[arg-type]  # never run
        self.ahead = Ahead(self.informer)

    def brings(self, obj: Pod) -> None:
        self.informer._set(f"default/{obj.metadata.name}", obj)

    def removes(self, name: str) -> None:
        self.informer._set(f"default/{name}", None)

    def names(self, belongs: Callable[[Pod], bool] = lambda _: True) -> dict[str, str]:
        return {
            each.metadata.name: "going" if each.metadata.deletion_timestamp else each.metadata.resource_version
            for each in self.ahead.over(self.informer.items.values(), belongs)
        }


def revised(name: str, revision: int, **more: Any) -> Pod:
    obj = pod(name, **more)
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, resource_version=str(revision)))


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_was_made_counts_until_the_watch_brings_it_and_then_once(watched: Watched) -> None:
    watched.ahead.write(revised("a", 5))
    assert watched.names() == {"a": "5"}
    watched.brings(revised("a", 5))
    watched.brings(revised("a", 7))
    assert watched.names() == {"a": "7"}


def test_an_update_hides_the_older_state_and_not_a_newer_one(watched: Watched) -> None:
    watched.brings(revised("a", 5))
    watched.ahead.write(revised("a", 8))
    watched.brings(revised("a", 6))
    assert watched.names() == {"a": "8"}
    watched.brings(revised("a", 9))
    assert watched.names() == {"a": "9"}


def test_an_answer_that_comes_after_its_event_is_not_remembered(watched: Watched) -> None:
    """Made, seen, and deleted by somebody, all before our own answer arrived: it must not come back to life."""
    watched.brings(revised("a", 5))
    watched.removes("a")
    watched.ahead.write(revised("a", 5))
    assert watched.names() == {}


def test_a_newer_event_of_anything_proves_that_a_write_was_delivered(watched: Watched) -> None:
    """A new list, after a broken watch, does not have what came and went meanwhile."""
    watched.ahead.write(revised("a", 5))
    watched.brings(revised("b", 6))
    assert watched.names() == {"b": "6"}


def test_what_was_deleted_is_going_until_it_has_gone(watched: Watched) -> None:
    watched.brings(revised("a", 5))
    watched.ahead.delete(watched.informer.items["default/a"])
    assert watched.names() == {"a": "going"}
    watched.brings(revised("a", 6))  # an update that was on its way
    assert watched.names() == {"a": "going"}
    watched.brings(revised("a", 7, going=True))
    watched.removes("a")
    assert watched.names() == {}


def test_a_namesake_of_what_was_deleted_is_not_going(watched: Watched) -> None:
    watched.brings(revised("a", 5))
    watched.ahead.delete(watched.informer.items["default/a"])
    new = revised("a", 9)
    watched.brings(msgspec.structs.replace(new, metadata=msgspec.structs.replace(new.metadata, uid="another")))
    assert watched.names() == {"a": "9"}


def test_a_write_that_takes_an_object_elsewhere_takes_it_out(watched: Watched) -> None:
    watched.brings(revised("a", 5, owner="us"))
    watched.ahead.write(revised("a", 6))
    assert watched.names(lambda each: bool(each.metadata.owner_references)) == {}


def test_revisions_that_are_no_numbers_are_never_ahead(watched: Watched) -> None:
    obj = revised("a", 5)
    obj.metadata.resource_version = "opaque"
    watched.ahead.write(obj)
    assert watched.names() == {}
