"""What the prover needs of a GPU: its kernels' sources, and a driver that compiles and launches them."""
