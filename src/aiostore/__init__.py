"""Asyncio-native object storage."""
