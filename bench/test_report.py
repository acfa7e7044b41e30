"""What the bench says of numbers: ratios, goals met and missed, a chart that is well-formed."""

import xml.etree.ElementTree

import pytest

import measure
import processes
import report

def rounds(*times):
    return [{"cpu_us": time, "per_s": 100.0, "busy": 0.5} for time in times]


SAMPLES = {"relay": rounds(10.0, 12.0, 11.0), "ballast": rounds(10.0, 12.0, 11.0), "nginx": rounds(20.0, 24.0, 22.0)}


def test_the_median_counts():
    rows = measure.summary(SAMPLES)
    assert rows["relay"]["cpu_us"] == 11.0
    assert (rows["relay"]["cpu_us_min"], rows["relay"]["cpu_us_max"]) == (10.0, 12.0)
    assert rows["ballast"]["ratio"] == {"relay": 1.0, "ballast": 1.0, "nginx": 0.5}


def test_a_machine_that_becomes_slower_between_rounds_changes_no_ratio():
    rows = measure.summary({"ballast": rounds(8.0, 8.0, 16.0, 16.0, 16.0),
                            "relay": rounds(10.0, 10.0, 20.0, 20.0, 9.0)})
    assert rows["ballast"]["cpu_us"] / rows["relay"]["cpu_us"] == 1.6
    assert rows["ballast"]["ratio"]["relay"] == 0.8


def test_a_goal_is_met_or_missed():
    rows = measure.summary(SAMPLES)
    assert report.reading("small", rows).count("met") == 2
    rows["ballast"]["ratio"]["nginx"] = 0.81
    assert "(goal 0.80: missed)" in report.reading("small", rows)
    assert "goal" not in report.reading("fields", rows)


def test_the_better_of_the_others_is_the_cheaper_one():
    rows = measure.summary(SAMPLES | {"haproxy": rounds(44.0, 44.0, 44.0)})
    assert "better of the others, nginx" in report.reading("small", rows)


def test_handshakes_are_told_by_the_second():
    rows = measure.summary({"loop": [{"cpu_us": 200.0, "per_s": 1.0, "busy": 0.5}],
                            "ballast": [{"cpu_us": 212.0, "per_s": 1.0, "busy": 0.5}]})
    assert "1.06 of the bare loop's processor time (goal 1.05: missed)" in report.reading("handshakes", rows)
    assert "loop 5000, ballast 4717" in report.handshakes_reading(rows)


H2LOAD = """finished in 500.10ms, 24691.00 req/s, 1.00MB/s
requests: 12400 total, 12345 started, 12345 done, 12345 succeeded, 0 failed, 0 errored, 0 timeout
"""


def test_h2load_s_words_are_read_and_its_failures_believed():
    assert measure.report_of_h2load(H2LOAD) == {"requests": 12345, "duration_us": 500100.0}
    for wrong in (H2LOAD.replace("0 failed", "1 failed"), H2LOAD.replace("0 errored", "2 errored"), "nothing"):
        with pytest.raises(processes.BenchError):
            measure.report_of_h2load(wrong)


def test_two_threads_at_the_same_price_are_twice_as_much():
    rows = {"ballast": {"cpu_us": 10.0}, "ballast x2": {"cpu_us": 10.0}}
    assert report.scaling(rows, "ballast") == 2.0
    rows["ballast x2"]["cpu_us"] = 12.5
    assert report.scaling(rows, "ballast") == 1.6
    assert "missed" in report.scaling_reading(rows)
    assert report.scaling(rows, "nginx") is None


def test_tables_have_as_many_columns_as_their_head():
    lines = report.work_table(measure.summary(SAMPLES))
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 5


def test_tail_and_idle_name_their_goals():
    times = {"rate": 1000.0, "p50_us": 1, "p90_us": 2, "p99_us": 3, "p999_us": 4}
    rows = {name: {"common": dict(times), "own": dict(times)} for name in ("ballast", "nginx")}
    assert "met" in "\n".join(report.tail_lines(rows))
    rows["ballast"]["common"]["p999_us"] = 5
    assert "missed" in "\n".join(report.tail_lines(rows))
    assert "missed" in "\n".join(report.idle_lines({"ballast": {"bytes": 300.0, "start_bytes": 1 << 20}}))


def test_a_large_pool_s_probes_have_a_goal():
    row = {"start_s": 1.0, "share": 0.049, "bytes": 10000 * 1000}
    assert "9.8 us a probe (goal under 5 %: met)" in report.scale_lines(row)[2]
    assert "missed" in report.scale_lines(row | {"share": 0.05})[2]


def test_the_chart_is_xml_with_a_bar_for_each_number():
    chart = report.chart({"works": {"small": measure.summary(SAMPLES), "large": measure.summary(SAMPLES)}})
    root = xml.etree.ElementTree.fromstring(chart)
    assert len(root.findall("{*}rect")) == 1 + 2 * len(SAMPLES)
