"""IngressClasses."""

from fairlead.api.resources import INGRESS_CLASSES
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.ingressclass import COLUMNS

INGRESS_CLASS = Kind(INGRESS_CLASSES, COLUMNS)
