"""A Corefile, as users of CoreDNS know it: syntax, plugins, and what they come to (settings). Pure."""
