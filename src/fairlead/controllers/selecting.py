"""Which Services select which pods, kept in both directions: a pod's event wakes exactly the Services it concerns."""

from collections.abc import Callable

from fairlead.api.types.core import Pod
from fairlead.api.types.service import Service
from fairlead.client.workqueue import WorkQueue
from fairlead.controllers.context import Context


def follow_services(context: Context, queue: WorkQueue) -> Callable[[Service], list[Pod]]:
    """Adds to the queue the key of every Service whose endpoints may have changed; returns who gives its pods.

    Both sides are indexed by one label: a Service by the first pair of its selector, a pod by all its labels.
    """
    pods, services = context.pods, context.services
    pods.add_index("label", lambda pod: [_term(pod, *pair) for pair in pod.metadata.labels.items()])
    services.add_index("selector", _selector)

    def selected(service: Service) -> list[Pod]:
        (term,) = _selector(service)
        return [pod for pod in pods.by_index("label", term) if _selects(service, pod)]

    def on_pod(_key: str, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not _matters(old, new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for pair in pod.metadata.labels.items():
                for service in services.by_index("selector", _term(pod, *pair)):
                    if _selects(service, pod):
                        queue.add(f"{service.metadata.namespace}/{service.metadata.name}")

    pods.add_handler(on_pod)
    services.add_handler(lambda key, _old, _new: queue.add(key))
    return selected


def _selector(service: Service) -> list[str]:
    pair = next(iter(sorted(service.spec.selector.items())), None)
    return [] if pair is None else [f"{service.metadata.namespace}/{pair[0]}={pair[1]}"]


def _term(pod: Pod, key: str, value: str) -> str:
    return f"{pod.metadata.namespace}/{key}={value}"


def _selects(service: Service, pod: Pod) -> bool:
    labels = pod.metadata.labels
    return all(labels.get(key) == value for key, value in service.spec.selector.items())


def _matters(old: Pod, new: Pod) -> bool:
    """Whether anything that endpoints show has changed."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.pod_ip != new.status.pod_ip
        or old.status.pod_ips != new.status.pod_ips
        or old.status.phase != new.status.phase
        or old.status.conditions != new.status.conditions
        or old.spec.node_name != new.spec.node_name
    )
