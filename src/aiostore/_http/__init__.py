"""What every HTTP driver shares: connections, answers turned into errors and metadata, XML."""
