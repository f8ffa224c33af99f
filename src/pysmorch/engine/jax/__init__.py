"""Networks that JAX runs, on a GPU where there is one: see docs/gpu.md. Nothing here is imported before it is needed."""
