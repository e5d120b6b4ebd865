"""As whom a container runs: users, capabilities, and what must not be root."""

from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Container, SecurityContext
from fairlead.node import non_root
from fairlead.runtime.crun.spec import config
from fairlead.runtime.interface import ContainerSpec, Image
from tests.unit.node.pods import pod

PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:101:101::/nonexistent:/bin/false\n"
IMAGE = Image("sha256:1", "web", (), command=("web",))


def _process(**given: Any) -> dict[str, Any]:
    spec = ContainerSpec("1", "s", "u", "c", 0, "web", **given)
    found: dict[str, Any] = config(spec, IMAGE, {}, PASSWD, "root:x:0:\nwww-data:x:101:\n")["process"]
    return found


def test_ingress_nginxs_securitycontext_is_user_101_who_may_get_one_capability() -> None:
    process = _process(user=101, capabilities_drop=("ALL",), capabilities_add=("NET_BIND_SERVICE",))
    assert (process["user"]["uid"], process["user"]["gid"]) == (101, 101)
    capabilities = process["capabilities"]
    assert capabilities["bounding"] == ["CAP_NET_BIND_SERVICE"]
    assert capabilities["effective"] == capabilities["permitted"] == []
    assert process["noNewPrivileges"] is False


def test_without_escalation_no_program_gives_more() -> None:
    assert _process(user=101, no_new_privileges=True)["noNewPrivileges"] is True


@pytest.mark.parametrize(
    ("common", "own", "image", "text"),
    [
        ({}, {}, "", ""),
        ({"runAsNonRoot": True}, {"runAsUser": 101}, "", ""),
        ({"runAsNonRoot": True, "runAsUser": 101}, {}, "", ""),
        ({"runAsNonRoot": True}, {}, "101:0", ""),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, "", ""),
        ({"runAsNonRoot": True}, {}, "", "container has runAsNonRoot and image will run as root"),
        ({}, {"runAsNonRoot": True}, "0:0", "container has runAsNonRoot and image will run as root"),
        (
            {"runAsUser": 101},
            {"runAsNonRoot": True, "runAsUser": 0},
            "",
            "container's runAsUser breaks non-root policy",
        ),
        (
            {"runAsNonRoot": True},
            {},
            "nginx",
            "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root",
        ),
    ],
)
def test_what_must_not_be_root_is_not_started_as_root(
    common: dict[str, Any], own: dict[str, Any], image: str, text: str
) -> None:
    container = Container(name="web", security_context=msgspec.convert(own, SecurityContext))
    try:
        non_root.check(pod(securityContext=common), container, image)
    except non_root.RootForbiddenError as error:
        assert text
        assert str(error) == f'{text} (pod: "web_dev(1-2)", container: web)'
    else:
        assert not text
