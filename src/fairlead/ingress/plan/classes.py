"""Which Ingresses are ours.

Source: KEP-1453 (IngressClass), ingress-nginx's `--ingress-class`, `--controller-class`, `--ingress-class-by-name` and
`--watch-ingress-without-class`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.api.types.networking import Ingress, IngressClass

ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER = "k8s.io/ingress-nginx"
DEFAULT_CLASS = "nginx"


@dataclass(frozen=True, slots=True)
class Choice:
    """`name`: the class of the annotation. `by_name`: an IngressClass of that name is ours, whoever its controller."""

    name: str = DEFAULT_CLASS
    controller: str = CONTROLLER
    by_name: bool = False
    without_class: bool = True

    def takes(self, ingress: Ingress, classes: Mapping[str, IngressClass] | None) -> bool:
        """`classes` None: they may not be read here; then a class is ours by its name."""
        annotated = ingress.metadata.annotations.get(ANNOTATION)
        if annotated:
            return annotated == self.name
        named = ingress.spec.ingress_class_name
        if named is None:
            return self.without_class
        if classes is None:
            return named == self.name
        found = classes.get(named)
        if found is None:
            return False
        return found.spec.controller == self.controller or (self.by_name and named == self.name)
