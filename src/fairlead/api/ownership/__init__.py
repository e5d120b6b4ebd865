"""Who manages which fields of an object (`metadata.managedFields`), and server-side apply over that. Pure.

`elements` and `fields` are sets of paths, `shapes` what may be owned apart by the schema, `walks` what goes over
objects by their shapes, `managers` the entries, `changes` what an update and an apply make of them.
Source: KEP-555, structured-merge-diff, apimachinery `util/managedfields`.
"""
