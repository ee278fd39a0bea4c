"""The book of numbered messages, by which other tests judge, notices what it is for."""

import random

import pytest

from harness.numbered import ACCEPTED, NEVER, UNHEARD, Book

OUTCOMES = {  # what its client heard, and how often the message may arrive
    ACCEPTED: {1},
    UNHEARD: {0, 1},
    NEVER: {0},
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_arrivals(outcome, times):
    book = Book("b")
    attempt, content = book.attempt(random.Random(1))
    attempt.outcome = outcome
    records = [(attempt.number, attempt.digest, str(len(content)))] * times
    assert (not book.complaints(records)) == (times in OUTCOMES[outcome])


def test_changed_and_unknown_messages():
    book = Book("b")
    attempt, _ = book.attempt(random.Random(1))
    attempt.outcome = ACCEPTED
    assert "arrived changed" in book.complaints([(attempt.number, "0" * 64, "1")])[0]
    good = (attempt.number, attempt.digest, "1")
    assert "never sent" in book.complaints([good, ("other", attempt.digest, "1")])[0]


def test_contents_differ():
    """So that one message cannot pass for another."""
    book, rng = Book("b"), random.Random(1)
    assert len({book.attempt(rng)[0].digest for _ in range(300)}) == 300
