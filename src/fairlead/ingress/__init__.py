"""The Ingress controller: Ingresses in, an nginx that never reloads out."""
