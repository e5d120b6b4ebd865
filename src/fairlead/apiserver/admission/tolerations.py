"""A pod outlives five minutes of its node's silence (admission plugin DefaultTolerationSeconds)."""

from typing import Any

Json = dict[str, Any]

SECONDS = 300
KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit(pod: Json) -> None:
    tolerations = list(pod["spec"].get("tolerations") or ())
    for key in KEYS:
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS})
    pod["spec"]["tolerations"] = tolerations


def _tolerates(toleration: Json, key: str) -> bool:
    return toleration.get("key", "") in (key, "") and toleration.get("effect", "") in ("NoExecute", "")
