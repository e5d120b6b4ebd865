"""Services of the type LoadBalancer: addresses from pools, and what serves them outside the cluster."""
