"""Cluster addresses and node ports of Services: given out once, whoever asks at the same time."""

from fairlead.apiserver.allocation.allocators import Allocators, Claim

__all__ = ["Allocators", "Claim"]
