"""Fairlead: Kubernetes Service and Ingress networking. The way of a change is drawn in docs/flow.md."""

__version__ = "0.1.0"
