"""Typed objects, one file a group: what our own parts read of an object, decoded straight from its bytes."""
