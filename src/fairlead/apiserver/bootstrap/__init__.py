"""What a new cluster starts with: namespaces, the policy of RBAC, the Service `kubernetes`."""

from fairlead.apiserver.bootstrap.objects import ensure

__all__ = ["ensure"]
