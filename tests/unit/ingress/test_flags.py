"""ingress-nginx's flags as its published manifests give them."""

from typing import Any

import pytest
from click.testing import CliRunner

from fairlead.cli import ingress as command
from fairlead.ingress.options import Options

HELM = [
    "--publish-service=$(POD_NAMESPACE)/ingress-nginx-controller",
    "--election-id=ingress-nginx-leader",
    "--controller-class=k8s.io/ingress-nginx",
    "--ingress-class=nginx",
    "--configmap=ns/ingress-nginx-controller",
    "--validating-webhook=:8443",
    "--validating-webhook-certificate=/usr/local/certificates/cert",
    "--validating-webhook-key=/usr/local/certificates/key",
    "--enable-metrics=false",
    "--watch-ingress-without-class=true",
    "--enable-ssl-passthrough=true",
    "--v=2",
]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the controller would be started with."""
    found: list[Options] = []
    monkeypatch.setattr(command, "run", lambda coroutine: coroutine.close())
    monkeypatch.setattr("fairlead.ingress.part.serve", lambda options: _kept(found, options))
    return found


async def _nothing() -> None:
    pass


def _kept(found: list[Options], options: Options) -> Any:
    found.append(options)
    return _nothing()


def test_the_flags_of_its_chart(started: list[Options]) -> None:
    result = CliRunner().invoke(command.ingress, HELM, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (options,) = started
    assert options.choice.without_class
    assert options.passthrough
    assert options.webhook == (":8443", "/usr/local/certificates/cert", "/usr/local/certificates/key")
    assert options.election_id == "ingress-nginx-leader"


def test_classes_are_taken_without_flags_as_in_0_30_and_not_where_a_controller_class_is_named(
    started: list[Options],
) -> None:
    for arguments in ([], ["--controller-class=k8s.io/ingress-nginx"]):
        assert CliRunner().invoke(command.ingress, arguments, catch_exceptions=False).exit_code == 0
    assert [each.choice.without_class for each in started] == [True, False]


def test_a_flag_that_nobody_has_is_an_error(started: list[Options]) -> None:
    result = CliRunner().invoke(command.ingress, ["--no-such-flag=1"])
    assert result.exit_code == 2
    assert "--no-such-flag" in result.output


def test_its_version_is_told_in_the_form_of_ingress_nginx(started: list[Options]) -> None:
    result = CliRunner().invoke(command.ingress, ["--version"], catch_exceptions=False)
    assert result.exit_code == 0
    line, title, release, nginx, last = result.output.splitlines()
    assert line == last == "-" * 79
    assert (title, release.split()[0], nginx.split()[0]) == ("NGINX Ingress controller", "Release:", "nginx")
    assert not started
