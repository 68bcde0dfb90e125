"""What callers do with objects, made of a driver's primitives: read, write, list, delete, verify."""
