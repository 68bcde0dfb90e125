"""The services: one module per driver, and one per authentication scheme that is not trivial."""
