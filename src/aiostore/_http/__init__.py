"""What every HTTP driver shares: one client session, answers turned into errors and metadata, XML."""
