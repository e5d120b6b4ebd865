"""Who takes whom, and who is let go."""

import pytest

from fairlead.api.selectors import parse_labels
from fairlead.api.types.core import Pod
from fairlead.controllers.owning import plan
from tests.unit.controllers.objects import owned_by, pod, replica_set

WEB = {"app": "web"}


def shared(name: str) -> Pod:
    each = pod(name, labels=WEB)
    each.metadata.owner_references = [owned_by("other", controller=False)]
    return each


def elsewhere() -> Pod:
    each = pod("far", labels=WEB)
    each.metadata.namespace = "far"
    return each


@pytest.mark.parametrize(
    ("what", "orphan", "adopted"),
    [
        ("it is selected", pod("a", labels=WEB), True),
        ("it is not selected", pod("a"), False),
        ("it is going", pod("a", labels=WEB, going=True), False),
        ("it has a controller", pod("a", labels=WEB, owner="other"), False),
        ("it has an owner that does not control it", shared("a"), True),
        ("it is in another namespace", elsewhere(), False),
    ],
)
def test_adoption(what: str, orphan: Pod, adopted: bool) -> None:
    claims = plan(replica_set("rs", 1), parse_labels("app=web"), [orphan], [])
    assert bool(claims.adopt) is adopted, what


def test_an_owner_that_is_going_takes_nothing() -> None:
    going = replica_set("rs", 1, deletion_timestamp="2026-01-01T00:00:00Z")
    assert plan(going, parse_labels("app=web"), [pod("a", labels=WEB)], []).adopt == ()


def test_what_is_no_longer_selected_is_released_unless_it_is_going() -> None:
    owned = [pod("in", labels=WEB), pod("out", labels={"app": "debug"}), pod("going", going=True)]
    claims = plan(replica_set("rs", 1), parse_labels("app=web"), [], owned)
    assert [each.metadata.name for each in claims.release] == ["out"]
