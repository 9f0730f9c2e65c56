"""Sample masters, made on the spot: `catalog.yaml` says what they are, `generate` makes them."""
