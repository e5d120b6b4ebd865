"""Which groups, versions and resources there are: in the form of a document each, and in one (KEP-3352)."""

from fairlead.apiserver.discovery.documents import answer, is_beneath_a_version

__all__ = ["answer", "is_beneath_a_version"]
