"""Revisions: names of templates, rollback, history."""

import re
from typing import Any

import pytest

from fairlead.controllers.revision import (
    HASH,
    HISTORY,
    REVISION,
    amend,
    new_set,
    outlived,
    same_template,
    split,
    template_hash,
)
from tests.unit.controllers.objects import deployment, replica_set, template


def test_a_hash_is_stable_safe_as_a_label_and_another_after_a_collision() -> None:
    one = template("nginx:1")
    assert template_hash(one, None) == template_hash(dict(reversed(one.items())), None)
    assert re.fullmatch("[bcdfghjklmnpqrstvwxz2456789]{10}", template_hash(one, None))
    assert len({template_hash(one, None), template_hash(one, 1), template_hash(template("nginx:2"), None)}) == 3


@pytest.mark.parametrize(
    ("metadata", "same"),
    [
        ({"labels": {"app": "web", HASH: "x"}}, True),
        ({"labels": {"app": "web"}, "creationTimestamp": None, "annotations": {}}, True),
        ({"labels": {"app": "api"}}, False),
        ({"labels": {"app": "web"}, "annotations": {"restartedAt": "now"}}, False),
    ],
)
def test_templates_are_compared_without_the_hash(metadata: dict[str, Any], same: bool) -> None:
    assert same_template({**template("1"), "metadata": metadata}, template("1")) is same


def test_the_oldest_of_two_with_the_present_template_is_the_new_one() -> None:
    first, second, other = replica_set("1", 1, created=1), replica_set("1", 1, created=2), replica_set("0", 1)
    new, old = split(deployment(), [second, other, first])
    assert new is first
    assert old == [other, second]


def test_a_new_set_selects_and_labels_by_hash_and_carries_annotations_but_its_own() -> None:
    it = deployment(3, min_ready_seconds=5)
    it.metadata.annotations = {
        "kubernetes.io/change-cause": "why",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        REVISION: "7",
    }
    old = replica_set("0", 3, annotations={REVISION: "7"})
    body = new_set(it, [old], 1, {"sizes": "1"})
    digest = template_hash(it.spec.template, None)
    assert body["metadata"]["name"] == f"web-{digest}"
    assert body["metadata"]["annotations"] == {"kubernetes.io/change-cause": "why", REVISION: "8", "sizes": "1"}
    labels = {"app": "web", HASH: digest}
    assert body["spec"]["selector"]["matchLabels"] == body["spec"]["template"]["metadata"]["labels"] == labels
    assert (body["spec"]["replicas"], body["spec"]["minReadySeconds"]) == (1, 5)
    assert it.spec.template == template("1"), "the Deployment's own template has no hash"


def test_going_back_makes_an_old_revision_the_newest_and_remembers_what_it_was() -> None:
    new = replica_set("1", 0, annotations={REVISION: "1", HISTORY: "0"})
    old = [replica_set("0", 3, annotations={REVISION: "3"})]
    assert amend(deployment(), new, old) == {"metadata": {"annotations": {REVISION: "4", HISTORY: "0,1"}}}
    new.metadata.annotations[REVISION] = "4"
    assert amend(deployment(), new, old) == {}
    assert amend(deployment(min_ready_seconds=9), new, old) == {"spec": {"minReadySeconds": 9}}


def test_history_goes_from_its_oldest_end_and_never_with_pods() -> None:
    old = [replica_set(f"r{n}", 0, annotations={REVISION: str(n)}) for n in (3, 1, 2, 10)]
    assert [each.metadata.name for each in outlived(deployment(revision_history_limit=2), old)] == ["r1", "r2"]
    assert outlived(deployment(revision_history_limit=None), old) == []
    old[1].status.replicas = 1
    assert [each.metadata.name for each in outlived(deployment(revision_history_limit=2), old)] == ["r2"]
