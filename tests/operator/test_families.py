"""Prometheus's text format: help, types, labels and what must be escaped in them."""

from __future__ import annotations

from gateway.operator.families import Family, render


def test_labels_and_help_are_escaped_and_histograms_have_their_bound_last():
    plain = Family("a_total", "counter", 'back\\slash and\nline and "quote"', ("x",))
    plain.add(1, 'q"\\\n')
    buckets = Family("b", "histogram", "h", ("x",))
    buckets.samples = [("_bucket", ("v", "+Inf"), 2), ("_sum", ("v",), 0.5)]
    assert render([plain, buckets, Family("c", "gauge", "h")]).split("\n") == [
        '# HELP a_total back\\\\slash and\\nline and "quote"',
        "# TYPE a_total counter",
        'a_total{x="q\\"\\\\\\n"} 1',
        "# HELP b h",
        "# TYPE b histogram",
        'b_bucket{x="v",le="+Inf"} 2',
        'b_sum{x="v"} 0.5',
        "# HELP c h",
        "# TYPE c gauge",
        "",
    ]
