"""Values of annotations: what is read, what is refused by name, and that a restriction is never lost by a typo."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ingress.plan.annotations import parse
from fairlead.ingress.plan.annotations.names import KNOWN, READ
from fairlead.ingress.plan.annotations.refused import REFUSED, WITHOUT_EFFECT
from tests.ingress.objects import NGINX


@pytest.mark.parametrize(
    ("name", "value", "field", "wanted"),
    [
        ("proxy-body-size", "8m", "body_size", 8 << 20),
        ("proxy-read-timeout", "90", "read_timeout", 90),
        ("proxy-connect-timeout", "3s", "connect_timeout", 3),
        ("whitelist-source-range", "10.0.0.0/8, 192.0.2.1", "allow", ("10.0.0.0/8", "192.0.2.1/32")),
        ("rewrite-target", "/$1", "rewrite", ((False, "/"), (True, "1"))),
        ("app-root", "/x", "app_root", "/x"),
        ("custom-http-errors", "404,503", "error_codes", (404, 503)),
        ("ssl-redirect", "false", "ssl_redirect", False),
    ],
)
def test_a_value_is_read(name: str, value: str, field: str, wanted: object) -> None:
    parsed = parse({f"{NGINX}/{name}": value}, NGINX, "dev")
    assert getattr(parsed.options, field) == wanted
    assert parsed.problems == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy-body-size", "huge"),
        ("proxy-read-timeout", "-1"),
        ("ssl-redirect", "maybe"),
        ("rewrite-target", "/$no_such_variable"),
        ("permanent-redirect", "javascript:alert(1)"),
        ("affinity", "sourceip"),
        ("limit-rps", "1.5"),
        ("server-alias", "~^evil"),
        ("configuration-snippet", "return 200;"),
        ("no-such-annotation", "x"),
    ],
)
def test_what_is_not_understood_is_told_by_its_name(name: str, value: str) -> None:
    parsed = parse({f"{NGINX}/{name}": value}, NGINX, "dev")
    assert any(name in each.message for each in parsed.problems)


@pytest.mark.parametrize(
    "annotations",
    [
        {"whitelist-source-range": "10.0.0.0/8,typo"},
        {"auth-type": "digest", "auth-secret": "users"},
        {"auth-type": "basic"},
        {"auth-type": "basic", "auth-secret": "other/users"},
        {"auth-url": "ftp://judge/"},
        {"auth-url": "http://$host/"},
        {"auth-tls-secret": "other/ca"},
        {"auth-tls-secret": "ca", "auth-tls-match-cn": "x"},
        {"proxy-ssl-verify": "on"},
        {"backend-protocol": "FCGI"},
    ],
)
def test_a_restriction_that_cannot_be_read_lets_nobody_in(annotations: dict[str, str]) -> None:
    parsed = parse({f"{NGINX}/{name}": value for name, value in annotations.items()}, NGINX, "dev")
    assert parsed.options.denied


def test_every_name_has_one_meaning() -> None:
    assert not READ & set(REFUSED)
    assert not READ & set(WITHOUT_EFFECT)
    assert not set(REFUSED) & set(WITHOUT_EFFECT)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN | set(REFUSED))), st.text(max_size=200), max_size=30))
def test_no_value_is_too_odd_to_be_read(annotations: dict[str, str]) -> None:
    parse({f"{NGINX}/{name}": value for name, value in annotations.items()}, NGINX, "dev")


def test_the_table_in_the_documentation_is_the_code() -> None:
    from tools.ingress_annotations import FILE, render

    assert FILE.read_text() == render(), "run tools/ingress_annotations.py"
