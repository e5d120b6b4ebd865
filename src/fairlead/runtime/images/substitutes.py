"""Which names of images this machine can serve by what it makes itself, and when. Pure.

An alias is always served so, unless aliases are off: whoever applies ingress-nginx's published manifests gets our
controller, and its webhook's certificate from our program. A fallback is served so only where its registry cannot be
reached.
"""

from fairlead.runtime.images.reference import InvalidReferenceError, parse

ALIASES = {
    "quay.io/kubernetes-ingress-controller/nginx-ingress-controller": "ingress-controller",  # until 0.33
    "us.gcr.io/k8s-artifacts-prod/ingress-nginx/controller": "ingress-controller",  # 0.34
    "k8s.gcr.io/ingress-nginx/controller": "ingress-controller",
    "registry.k8s.io/ingress-nginx/controller": "ingress-controller",  # from 1.2
    "docker.io/jettech/kube-webhook-certgen": "webhook-certificate",  # until 0.46
    "k8s.gcr.io/ingress-nginx/kube-webhook-certgen": "webhook-certificate",
    "registry.k8s.io/ingress-nginx/kube-webhook-certgen": "webhook-certificate",
    "fairlead.dev/ingress-controller": "ingress-controller",
}
FALLBACKS = {
    "docker.io/library/busybox": "busybox",
    "gcr.io/google-containers/busybox": "busybox",  # the names by which Kubernetes' documentation calls it
    "registry.k8s.io/busybox": "busybox",
    "k8s.gcr.io/busybox": "busybox",
    "docker.io/library/nginx": "nginx",
    "docker.io/library/tomcat": "tomcat",
}


def alias_of(name: str) -> str | None:
    """The recipe of an image; any tag and digest will do."""
    return ALIASES.get(_repository(name))


def fallback_of(name: str) -> str | None:
    return FALLBACKS.get(_repository(name))


def _repository(name: str) -> str:
    try:
        found = parse(name)
    except InvalidReferenceError:
        return ""
    return f"{found.registry}/{found.repository}"
