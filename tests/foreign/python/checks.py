"""Sentences that are true or false, one line each."""

import contextlib
import json
import os
import sys
import traceback

# What the caller started, as JSON: the issuer, its clients' secrets, and somebody who has an account there.
given = json.loads(os.environ["GIVEN"])

_failed = False


@contextlib.contextmanager
def it(sentence):
    """Says whether its body went through. What follows is tried in any case."""
    global _failed
    try:
        yield
        print(f"  ok  {sentence}", flush=True)
    except Exception:
        _failed = True
        indented = traceback.format_exc().rstrip().replace("\n", "\n          ")
        print(f"  FAILED  {sentence}\n          {indented}", flush=True)


@contextlib.contextmanager
def refused(kind, error=None, words=""):
    """Its body has to end in this kind of exception, with this error code or with these words in it or its cause."""
    try:
        yield
    except kind as fault:
        if error is not None:
            assert getattr(fault, "error", None) == error, f"{fault!r} instead of {error}"
        assert words in f"{fault} {fault.__cause__}", f"{fault!r} says nothing of {words}"
    else:
        raise AssertionError(f"nothing was raised instead of {kind} {error or words}")


def end():
    sys.exit(1 if _failed else 0)
