"""The device outside the cluster: packets to a load balancer's address go on to a node, which answers by itself."""
