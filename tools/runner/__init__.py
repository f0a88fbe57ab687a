"""What holon-run is made of; the tests and benchmarks use these parts too."""
