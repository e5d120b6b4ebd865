"""`…/status`: changes the status and nothing else."""

from fairlead.apiserver.verbs.get import get
from fairlead.apiserver.verbs.patch import patch
from fairlead.apiserver.verbs.update import update

__all__ = ["get", "patch", "update"]
