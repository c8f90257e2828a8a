"""What holds for all tests: how many examples property tests try."""

from hypothesis import HealthCheck, settings

FUZZ_EXAMPLES = 2_000  # `make fuzz`; a test that names its own number keeps it

# No deadline: the machine's load is no property of the code. The same examples in every run: a red CI can be repeated.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.register_profile(
    "fuzz", deadline=None, max_examples=FUZZ_EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")
