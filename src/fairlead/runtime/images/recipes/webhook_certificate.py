"""Our kube-webhook-certgen, behind the names of its image: this Python and Fairlead."""

from collections.abc import Iterator

from fairlead.runtime.images import python
from fairlead.runtime.images.recipe import Copy, Recipe

START = f"""\
#!/bin/sh
export PYTHONPATH={python.SOURCE}:{python.LIBRARIES}
exec {python.PROGRAM} -m fairlead webhook-certificate "$@"
"""


def _copies() -> Iterator[Copy]:
    yield from python.interpreter()
    yield from python.libraries()


WEBHOOK_CERTIFICATE = Recipe(
    packages=("dash", "bash"),
    entrypoint=("/kube-webhook-certgen",),
    command=(),
    programs={"/kube-webhook-certgen": START},
    copies=_copies,
    own=python.source,
    beside=python.compiled_source,
    facts=python.facts,
    origin="Fairlead with ",
)
