"""What a change makes nginx be told: as much as the change is large, and the same as planning everything anew."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress
from fairlead.api.types.service import Service
from fairlead.ingress.plan.catalog import Catalog
from tests.ingress.objects import NGINX, certificate, endpoint_slice, ingress, path, service, tls_secret
from tests.unit.ingress.sources import Sources, backend, catalog, site, typed

PAIR = certificate("a.test")


def sources() -> Sources:
    made = Sources()
    for number, name in enumerate(("one", "two")):
        made.services[f"dev/{name}"] = msgspec.convert(service(name), Service)
        slices = [msgspec.convert(endpoint_slice(name, [f"10.0.0.{number + 1}"]), EndpointSlice)]
        made.slices[f"dev/{name}"] = slices
    made.secrets["dev/cert"] = msgspec.convert(tls_secret("cert", PAIR), Secret)
    return made


def test_an_endpoint_is_one_record() -> None:
    known = sources()
    made = catalog(known)
    made.put("dev/a", typed(ingress("a", {"a.test": [path("one")], "b.test": [path("two")]})))
    made.plan()
    known.slices["dev/one"] = [msgspec.convert(endpoint_slice("one", ["10.0.0.9"]), EndpointSlice)]
    made.service_changed("dev/one")
    plan = made.plan()
    assert list(plan.records) == ["b:dev/one/80"]
    assert backend(plan.records, "dev/one/80").endpoints == (("10.0.0.9", 8080),)


def test_a_host_is_its_own_record_and_no_other() -> None:
    made = catalog(sources())
    made.put("dev/a", typed(ingress("a", {"a.test": [path("one")]})))
    made.plan()
    made.put("dev/b", typed(ingress("b", {"b.test": [path("one")]})))
    assert set(made.plan().records) == {"h:b.test"}


def test_what_is_gone_is_deleted_hosts_before_backends() -> None:
    made = catalog(sources())
    made.put("dev/a", typed(ingress("a", {"a.test": [path("one")]})))
    made.plan()
    made.put("dev/a", None)
    assert list(made.plan().records.items()) == [("h:a.test", None), ("b:dev/one/80", None)]


def test_the_oldest_keeps_its_path_and_the_other_is_told() -> None:
    made = catalog(sources())
    made.put("dev/young", typed(ingress("young", {"a.test": [path("two")]}), created="2026-02-01T00:00:00Z"))
    made.put("dev/old", typed(ingress("old", {"a.test": [path("one")]}), created="2026-01-01T00:00:00Z"))
    plan = made.plan()
    found = site(plan.records, "a.test")
    assert found is not None
    assert [each.ingress for each in found.locations] == ["old"]
    assert [each.reason for each in plan.problems["dev/young"]] == ["Conflict"]
    assert plan.problems["dev/old"] == ()


def test_two_that_say_the_same_are_no_conflict() -> None:
    made = catalog(sources())
    for name in ("http", "https"):
        made.put(f"dev/{name}", typed(ingress(name, {"a.test": [path("one")]})))
    assert made.plan().problems == {"dev/http": (), "dev/https": ()}


def test_a_secret_that_comes_later_is_shown() -> None:
    known = sources()
    secret = known.secrets.pop("dev/cert")
    made = catalog(known)
    made.put("dev/a", typed(ingress("a", {"a.test": [path("one")]}, tls={"cert": ["a.test"]})))
    plan = made.plan()
    assert [each.reason for each in plan.problems["dev/a"]] == ["BadCertificate"]
    found = site(plan.records, "a.test")
    assert found is not None
    assert found.certificate == "default"
    known.secrets["dev/cert"] = secret
    made.secret_changed("dev/cert")
    plan = made.plan()
    found = site(plan.records, "a.test")
    assert found is not None
    assert found.certificate == "dev/cert"
    assert plan.records["c:dev/cert"] is not None
    assert plan.problems["dev/a"] == ()


def test_a_secret_of_another_namespace_is_not_read() -> None:
    known = sources()
    known.secrets["other/cert"] = msgspec.convert(tls_secret("cert", PAIR, "other"), Secret)
    made = catalog(known)
    made.put("dev/a", typed(ingress("a", {"a.test": [path("one")]}, annotations={"auth-tls-secret": "other/cert"})))
    plan = made.plan()
    assert not [key for key in plan.records if "other" in key]
    found = site(plan.records, "a.test")
    assert found is not None
    assert found.locations[0].options.denied == "auth-tls-secret"


def test_a_name_outside_is_looked_up_and_never_leads_to_ourselves() -> None:
    known = sources()
    outside = service("out", type="ExternalName", externalName="example.org", clusterIP="")
    known.services["dev/out"] = msgspec.convert(outside, Service)
    made = catalog(known)
    made.put("dev/a", typed(ingress("a", {"a.test": [path("out")]})))
    made.plan()
    assert made.names() == {"example.org"}
    known.names["example.org"] = ("127.0.0.1", "169.254.169.254", "203.0.113.7")
    made.name_changed("example.org")
    assert backend(made.plan().records, "dev/out/80").endpoints == (("203.0.113.7", 80),)


HOSTS = st.sampled_from(["a.test", "b.test", "*.c.test", ""])
PATHS = st.sampled_from(["/", "/x", "/x/y", "/X"])
KINDS = st.sampled_from(["Exact", "Prefix", "ImplementationSpecific"])
RULES = st.dictionaries(
    HOSTS, st.lists(st.builds(path, st.sampled_from(["one", "two", "three"]), PATHS, KINDS), max_size=3), max_size=3
)
OPTIONS = st.sampled_from(
    [
        {},
        {"canary": "true"},
        {"use-regex": "true"},
        {"server-alias": "b.test, d.test"},
        {"from-to-www-redirect": "true"},
    ]
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["i", "j", "k"]), st.one_of(st.none(), st.tuples(RULES, OPTIONS))), max_size=8
)


@given(steps=STEPS)
def test_changes_one_by_one_end_where_planning_everything_does(
    steps: list[tuple[str, tuple[dict[str, list[dict[str, object]]], dict[str, str]] | None]],
) -> None:
    known = sources()
    changing = catalog(known)
    told: dict[str, bytes | None] = {}
    last: dict[str, Ingress | None] = {}
    for name, given_ in steps:
        obj = None if given_ is None else typed(ingress(name, given_[0], annotations=given_[1]))
        last[name] = obj
        changing.put(f"dev/{name}", obj)
        told |= changing.plan().records
    anew = Catalog(known, NGINX)
    for name, obj in last.items():
        anew.put(f"dev/{name}", obj)
    wanted = {key: value for key, value in anew.plan().records.items() if value is not None}
    assert {key: value for key, value in told.items() if value is not None} == wanted
