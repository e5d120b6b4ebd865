"""Load balancers without a device: one node at a time says on the link that an address is its, and its proxy serves."""
