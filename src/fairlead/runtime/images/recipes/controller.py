"""Our Ingress controller behind the names of ingress-nginx's image: this Python, Fairlead, nginx with Lua.

As there: the program is `/nginx-ingress-controller`, 101 is www-data, nginx may listen on 80 and 443 without being
root, and `/wait-shutdown` is what the published manifests run before a pod stops.
"""

import os
from collections.abc import Iterator

from fairlead.runtime.images import python
from fairlead.runtime.images.recipe import Copy, Recipe

# Process 1 is a shell that passes the signal on, as upstream's is dumb-init: a program that is process 1 itself does
# not hear of its end before it has begun to listen (pid_namespaces(7)). What a shell starts behind itself ignores
# SIGQUIT, by which nginx is told to drain, unless that is undone.
START = f"""\
#!/bin/sh
unset LD_PRELOAD
export PYTHONPATH={python.SOURCE}:{python.LIBRARIES}
env --default-signal=INT,QUIT {python.PROGRAM} -m fairlead ingress "$@" &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT QUIT
while kill -0 $child 2>/dev/null; do
    wait $child
    code=$?
done
exit $code
"""
# The controller drains nginx and ends, and everything here with it.
WAIT = """\
#!/bin/sh
kill -TERM 1
while kill -0 1 2>/dev/null; do sleep 1; done
"""
# Upstream's manifests preload an allocator, into what people run by `kubectl exec` as well. glibc's libdl is empty
# since 2.34: nothing is preloaded, and no program complains that there is nothing to preload.
EMPTY_LIBRARY = f"/lib/{os.uname().machine}-linux-gnu/libdl.so.2"


def _copies() -> Iterator[Copy]:
    yield from python.interpreter()
    yield from python.libraries()
    yield EMPTY_LIBRARY, ""


CONTROLLER = Recipe(
    packages=("nginx-light", "nginx", "nginx-core", "nginx-full"),
    also=("nginx-common", "libnginx-mod-http-lua", "libnginx-mod-http-ndk", "lua-resty-core", "lua-resty-lrucache"),
    perhaps=("libnginx-mod-stream",),
    command=("/nginx-ingress-controller",),
    programs={"/nginx-ingress-controller": START, "/wait-shutdown": WAIT},
    links={"/usr/local/lib/libmimalloc.so": EMPTY_LIBRARY},
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
