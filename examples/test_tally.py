"""A contract in WebAssembly text."""


def test_it_counts(chain):
    tally = chain.deploy("tally.wat")
    assert [tally.call("") for _ in range(2)] == [2, 3]
