"""The rules that Kubernetes documents for its objects, in its words. Pure."""
