"""The service: answers over HTTP with receipts, proofs as jobs that survive crashes, and what keeps both."""
