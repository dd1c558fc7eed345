"""The figures, one a file: each says what it measures beside what, and takes it on a stage."""
