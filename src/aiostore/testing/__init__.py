"""For whoever writes a driver: the conformance suite and a driver that injects faults."""
