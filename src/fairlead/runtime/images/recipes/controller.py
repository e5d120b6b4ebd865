"""Our Ingress controller behind the names of ingress-nginx's image: this Python, Fairlead, nginx with Lua.

As there: the program is `/nginx-ingress-controller`, 101 is www-data, nginx may listen on 80 and 443 without being
root, and `/wait-shutdown` is what the published manifests run before a pod stops.
"""

from collections.abc import Iterator

from fairlead.runtime.images import python
from fairlead.runtime.images.recipe import Copy, Recipe

START = f"""\
#!/bin/sh
PYTHONPATH={python.SOURCE}:{python.LIBRARIES} exec {python.PROGRAM} -m fairlead ingress "$@"
"""
# The controller is process 1: it drains nginx and ends, and everything here with it.
WAIT = """\
#!/bin/sh
kill -TERM 1
while kill -0 1 2>/dev/null; do sleep 1; done
"""


def _copies() -> Iterator[Copy]:
    yield from python.interpreter()
    yield from python.libraries()


CONTROLLER = Recipe(
    packages=("nginx-light", "nginx", "nginx-core", "nginx-full"),
    also=("nginx-common", "libnginx-mod-http-lua", "libnginx-mod-http-ndk", "lua-resty-core", "lua-resty-lrucache"),
    perhaps=("libnginx-mod-stream",),
    command=("/nginx-ingress-controller",),
    programs={"/nginx-ingress-controller": START, "/wait-shutdown": WAIT},
    folders=("/var/lib/nginx", "/var/log/nginx"),
    copies=_copies,
    own=python.source,
    beside=python.compiled_source,
    facts=python.facts,
    origin="Fairlead with ",
    bound_ports=("/usr/sbin/nginx",),
    user="www-data",
    ports=("80/tcp", "443/tcp"),
)
