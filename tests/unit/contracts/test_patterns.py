"""Selector patterns mean what they mean to the reference's library, or are refused; none is ever slow."""

from __future__ import annotations

import time

import pytest

from orchestrator.contracts.patterns import LONGEST_PATTERN, matcher

NAMES = ("v0.2.9", "v0.2.12", "v0.3.0-rc7", "1.0.0")

# What the reference's library (the regex crate, searching anywhere) finds in NAMES.
FOUND: dict[str, tuple[str, ...]] = {
    r"^v0\.2": NAMES[:2],
    r"v0.2": NAMES[:2],
    "": NAMES,
    "^$": (),
    r"^v?0\.2\.\d+$": NAMES[:2],
    r"\d{2}$": ("v0.2.12",),
    r"\.1{1,2}2": ("v0.2.12",),
    r"(?i)RC": ("v0.3.0-rc7",),
    r"(?i:V)0\.3": ("v0.3.0-rc7",),
    r"-rc\d$": ("v0.3.0-rc7",),
    r"^[^v]": ("1.0.0",),
    r"^[[:digit:]]": ("1.0.0",),
    r"[[:^alnum:].]{2}": (),
    r"[]0]$": ("1.0.0",),
    r"[a\-]": ("v0.3.0-rc7",),
    r"[\]\[]": (),
    r"\b12\b": ("v0.2.12",),
    r"\B12": (),
    r"\Av0\.2\.9\z": ("v0.2.9",),
    r"9|1\.0": ("v0.2.9", "1.0.0"),
    r"(?P<major>0)\.(?<minor>2)": NAMES[:2],
    r"(?:0\.){2}0": (),
    r"(?s).*-": ("v0.3.0-rc7",),
    r"(?m)^1": ("1.0.0",),
    r"(?U)v.+\.": NAMES[:3],
    r"\x76\x{30}": NAMES[:3],
    r"\pL": NAMES[:3],
    r"\p{Nd}$": NAMES,
    r"\p{Greek}": (),
    r"\w\W\w": NAMES,
    r"\S\s": (),
    r"v\-": (),
    r"}|]": (),
    r"v*?0??1+": ("v0.2.12", "1.0.0"),
    "é": (),
}  # fmt: skip

REFUSED_BY_BOTH = (
    "(", ")", "[", "[z-a]", "*", "+1", "\\", r"\8", r"(v)\1", "(?=v)", "(?!v)", "(?<=v)", "(?>v)", "(?#v)",
    "v{2,1}", "{", "v{", "v{x}", "v{,x}", r"\Z", r"\h", r"\R", r"\K", r"\c", r"\07", r"[\07]", r"\Q.\E",
    r"\C", "(?P=n)", "(?P<>v)", r"\p{Nobody}", "(?1)", "v{99999}",
)  # fmt: skip

# The reference takes these; here they are refused rather than read in another way.
REFUSED_HERE = (
    "(?x) v 0", "(?u)v", "(?-u)v", "(?R)v", "v**", "v{2}{3}", r"\u0076", r"\<v", r"v\>", r"\b{start}v",
    "v{,3}", "[a-z&&[^b]]", "[0-9--4]", "[a-g~~b-h]", "[v[0]]", "v{1001}", "((v{99}){99}){99}", r"\pL{900}",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FOUND)
def test_a_pattern_finds_what_it_finds_for_the_reference(pattern: str) -> None:
    found = matcher(pattern)
    assert tuple(name for name in NAMES if found(name)) == FOUND[pattern]


@pytest.mark.parametrize("pattern", [*REFUSED_BY_BOTH, *REFUSED_HERE, "\ud800", "v" * (LONGEST_PATTERN + 1)])
def test_what_is_no_pattern_or_would_mean_something_else_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"longer than|no pattern|escape|class|count"):
        matcher(pattern)


HOSTILE = (
    "(((((((((((((((((((v?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?$x",
    "(v?){30}v{30}$",
    "(a|a)*(a|a)*(a|a)*(a|a)*(a|a)*(a|a)*(a|a)*b$",
    "(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*x$",
    "((((((((((.{1,9}){1,9}){1,9})*)*)*)*)*)*)*)*-$",
    r"(\pL|\pN|\pP|\pS|\pZ){1000}",
    "(?i)[^\\pL\\pN]*[^\\pL\\pN]*[^\\pL\\pN]*[^\\pL\\pN]*$",
    "((((" * 16,
)  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_takes_the_processor_for_long(pattern: str) -> None:
    """A backtracking engine needs longer than the universe has been there for the first of these."""
    assert len(pattern) <= LONGEST_PATTERN
    before = time.process_time()
    try:
        found = matcher(pattern)
    except ValueError:
        pass
    else:
        for name in [*NAMES, "v" * 128, "a" * 128, "0." * 64]:
            found(name)
    # The processor's time of this process, not the machine's: a stalled machine does not count.
    assert time.process_time() - before < 0.25
