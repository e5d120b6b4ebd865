"""What a Service means: the model that proxies program, and the reference that says what must happen to a packet."""
