"""What `make bench` measures, each figure beside its reference in the same run; docs/benchmarks.md says how to read it."""
