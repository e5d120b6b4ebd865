"""Who manages an object's fields, request by request: `api.ownership` over the kinds that are served.

`versions` are a resource's, `tracking` follows updates, `applying` is server-side apply, `last_applied` kubectl's
annotation, `scaling` what a Scale shows of its workload's managers.
"""
