"""Where rows go: the lake always, deliveries by URI scheme."""
