import pytest

from fairlead.api.schema import duplicate_fields


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ("{}", []),
        ('{"a": 1, "b": {"a": 1}}', []),
        ('{"a": 1, "a": 1}', ["a"]),
        ('{"a": 1, "a": 2, "a": 3}', ["a"]),
        ('{"spec": {"ports": [{"name": "a"}, {"name": "b", "name": "c"}]}}', ["spec.ports[1].name"]),
        ('{"b": {"c": 1, "c": 2}, "a": 1, "a": 2}', ["a", "b.c"]),
    ],
)
def test_fields_given_twice_are_named_once(document: str, paths: list[str]) -> None:
    assert duplicate_fields(document.encode()) == [f'duplicate field "{path}"' for path in paths]
