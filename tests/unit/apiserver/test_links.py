"""Links of pages that come through the API server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.apiserver.links import beneath, rewritten

PREFIX = "/api/v1/namespaces/dev/services/web/proxy"
HOSTS = frozenset({"10.244.1.5:80", "localhost:8001"})


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("/", f"{PREFIX}/"),
        ("/a/b?c=d#e", f"{PREFIX}/a/b?c=d#e"),
        ("a/b", "a/b"),
        ("", ""),
        ("#top", "#top"),
        ("http://10.244.1.5:80/a", f"{PREFIX}/a"),
        ("//localhost:8001/a", f"{PREFIX}/a"),
        ("http://elsewhere/a", "http://elsewhere/a"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        ("mailto:a@b", "mailto:a@b"),
        ("http://[broken/", "http://[broken/"),
    ],
)
def test_what_leads_to_the_servers_root_leads_beneath_its_path(link: str, there: str) -> None:
    assert beneath(PREFIX, link, HOSTS) == there


@pytest.mark.parametrize(
    ("page", "there"),
    [
        ('<a href="/x">test</a>', f'<a href="{PREFIX}/x">test</a>'),
        ("<A class=b HREF = '/x' >", f"<A class=b HREF = '{PREFIX}/x' >"),
        ("<img src=/x.png alt=/x>", f"<img src={PREFIX}/x.png alt=/x>"),
        ('<form action="/go"><input formaction="/in">', f'<form action="{PREFIX}/go"><input formaction="{PREFIX}/in">'),
        ('<!-- <a href="/x"> -->', '<!-- <a href="/x"> -->'),
        ('<script src="/a.js">"<a href=\'/x\'>"</script>', f'<script src="{PREFIX}/a.js">"<a href=\'/x\'>"</script>'),
        ('<p title="/x">/x', '<p title="/x">/x'),
        ('<a href="/x', '<a href="/x'),
    ],
)
def test_of_a_page_its_links_change_and_nothing_else(page: str, there: str) -> None:
    assert rewritten(page, PREFIX, HOSTS) == there


@given(st.text(alphabet="<>/=\"'a hrefscipt!-", max_size=60))
def test_no_page_is_too_broken(page: str) -> None:
    assert rewritten(page, "", frozenset()) == page
