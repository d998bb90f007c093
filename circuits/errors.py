"""The errors that Verinfer raises on purpose.

Every message says what was wrong, where, and what to do. The command line prints them on one line and exits
with 2 (or 1 for :class:`CheckFailed`); anything else that escapes is a bug.
"""


class VerinferError(Exception):
    """Base of every error that Verinfer raises on purpose."""


class InputError(VerinferError):
    """A file, an argument or a tensor given by the user cannot be used."""


class ModelError(InputError):
    """An ONNX model is malformed, hostile, or not what its own declarations say."""


class UnsupportedError(ModelError):
    """A well-formed model uses something that has no meaning, or no implementation, here."""


class CircuitError(InputError):
    """A circuit is malformed: a file was altered or truncated, or an invariant of the format does not
    hold."""


class BoundError(InputError):
    """A value lies outside its declared bound, or a bound does not fit the integers of a circuit."""


class FormatError(InputError):
    """A key, a proof or a reference string is truncated, altered, of another version or not canonical."""


class ChainError(InputError):
    """A chain cannot be reached, is another chain than expected, or holds no contract at an address."""


class CheckFailed(VerinferError):
    """A proof, a claim or a check is invalid. The command line exits with 1."""
