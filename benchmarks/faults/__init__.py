"""What clients make of broken connections, wrong bytes and lost answers, over one fault proxy and one real server."""
