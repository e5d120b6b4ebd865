"""Fields given twice in a JSON document, which a decoder into dictionaries cannot see."""


def duplicate_fields(data: bytes) -> list[str]:
    """`duplicate field "spec.ports[0].name"` for each, in the order of the document. Raises ValueError if not JSON."""
    raise NotImplementedError
