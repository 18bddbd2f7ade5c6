"""A project's own test: its models are no worse than the baseline that it committed."""


def test_quality(bench_baseline):
    bench_baseline.check()
