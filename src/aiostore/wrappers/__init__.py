"""Drivers around drivers: each takes a Driver and is one, and adds one policy."""
