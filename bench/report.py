"""What the numbers look like: tables in Markdown, a sentence on each, goals met and missed, and a chart in SVG."""

import html

from works import (CROWD, CROWD_INTERVAL_S, IDLE, IDLE_CONNECTIONS, SCALE, TAIL, TAIL_CONNECTIONS, TAIL_SHARE,
                   WORKS)

OTHERS = ("nginx", "haproxy")
BARE = {"relay": "the bare relay's", "loop": "the bare loop's"}
# Of the bare one's and of the better of the others' processor time, at most; None: no goal. Design:
# docs/performance.md. 1.05 of the loop's processor time is 0.95 of its handshakes in a second of it.
GOALS = {"small": (1.10, 0.80), "connect": (None, 0.80), "large": (1.00, None), "post64k": (1.10, None),
         "handshakes": (1.05, None), "resumed": (1.05, None), "tls": (None, 0.80), "h2": (None, 0.80),
         "h2c": (1.00, None)}
HANDSHAKES = ("handshakes", "resumed")
IDLE_GOAL_BYTES = 300
SCALING_GOAL = 1.8
PROBES_GOAL = 0.05


def title(text):
    return text[0].upper() + text[1:]


def table(head, rows):
    """Lines of a Markdown table; numbers stand to the right of a first column of words."""
    return ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1),
            *("| " + " | ".join(row) + " |" for row in rows)]


def work_table(rows):
    """One kind of work, the cheapest first."""
    names = list(rows)
    lines = []
    for name in sorted(rows, key=lambda name: rows[name]["cpu_us"]):
        row = rows[name]
        lines.append([name, f"{row['cpu_us']:.1f}", f"{row['cpu_us_min']:.1f}-{row['cpu_us_max']:.1f}",
                      f"{row['per_s']:.0f}", f"{100 * row['busy']:.0f} %",
                      *(f"{row['ratio'][other]:.2f}" for other in names)])
    return table(["contender", "us/request", "min-max", "requests/s", "busy", *(f"of {name}" for name in names)], lines)


def verdict(ratio, goal):
    if goal is None:
        return ""
    return f" (goal {goal:.2f}: {'met' if round(ratio, 2) <= goal else 'missed'})"


def reading(work, rows):
    """What the numbers say of Ballast, in a sentence."""
    if "ballast" not in rows:
        return "Ballast was not measured in this run."
    ratio = rows["ballast"]["ratio"]
    of_bare, of_better = GOALS.get(work, (None, None))
    parts = [f"{ratio[name]:.2f} of {whose} processor time{verdict(ratio[name], of_bare)}"
             for name, whose in BARE.items() if name in ratio]
    others = [name for name in OTHERS if name in ratio]
    if others:
        better = max(others, key=lambda name: ratio[name])
        parts.append(f"{ratio[better]:.2f} of the better of the others, {better}{verdict(ratio[better], of_better)}")
    return "Ballast needs " + " and ".join(parts) + "." if parts else "Ballast was measured alone."


def handshakes_reading(rows):
    each = ", ".join(f"{name} {1e6 / row['cpu_us']:.0f}" for name, row in rows.items())
    return f"Handshakes in a second of one's processor: {each}."


def scaling(rows, name, threads=2):
    """How much more two threads do for the same processor time each: 2.00 is all that can be had."""
    many = rows.get(f"{name} x{threads}")
    return threads * rows[name]["cpu_us"] / many["cpu_us"] if many and name in rows else None


def scaling_reading(rows):
    factors = {name: scaling(rows, name) for name in ("ballast", *OTHERS)}
    said = [f"{name} {factor:.2f}" for name, factor in factors.items() if factor]
    goal = factors["ballast"]
    met = f" Goal for Ballast {SCALING_GOAL}: {'met' if goal >= SCALING_GOAL else 'missed'}." if goal else ""
    return f"Two threads do so many times the work of one in a second of each one's processor: {', '.join(said)}.{met}"


def tail_lines(rows):
    rate = next(iter(rows.values()))["common"]["rate"]
    lines = [f"### Waiting times at {100 * TAIL_SHARE:.0f} % of saturation", "",
             f"Small keep-alive requests in an open loop over {TAIL_CONNECTIONS} connections. Left: all at {rate:.0f} "
             "requests/s, a share of what the slowest can do; right: each at the same share of its own saturation. "
             "Microseconds.", ""]
    ordered = sorted(rows, key=lambda name: rows[name]["common"]["p999_us"])
    lines += table(["contender", "p50", "p99", "p99.9", "own rate/s", "p50", "p99", "p99.9"],
                   [[name, *(f"{rows[name]['common'][key]:.0f}" for key in ("p50_us", "p99_us", "p999_us")),
                     *(f"{rows[name]['own'][key]:.0f}" for key in ("rate", "p50_us", "p99_us", "p999_us"))]
                    for name in ordered])
    others = [name for name in OTHERS if name in rows]
    if "ballast" in rows and others:
        better = min(others, key=lambda name: rows[name]["common"]["p999_us"])
        ours, theirs = (rows[name]["common"]["p999_us"] for name in ("ballast", better))
        lines += ["", f"At the common rate Ballast's 99.9th percentile is {ours:.0f} us, that of the better of the "
                  f"others ({better}) {theirs:.0f} us (goal: no worse: {'met' if ours <= theirs else 'missed'})."]
    return [*lines, ""]


def idle_lines(rows):
    lines = [f"### {IDLE_CONNECTIONS:,} idle connections", "",
             "Private memory that came with them, for each; all have asked once. nginx makes room for its connections "
             "at its start, which is not in its number. The relay's come with a worker's connection each.", ""]
    lines += table(["contender", "bytes/connection", "MiB before them"],
                   [[name, f"{rows[name]['bytes']:.0f}", f"{rows[name]['start_bytes'] / 2**20:.1f}"]
                    for name in sorted(rows, key=lambda name: rows[name]["bytes"])])
    if "ballast" in rows:
        met = "met" if rows["ballast"]["bytes"] < IDLE_GOAL_BYTES else "missed"
        lines += ["", f"Ballast needs {rows['ballast']['bytes']:.0f} bytes (goal under {IDLE_GOAL_BYTES}: {met})."]
    return [*lines, ""]


def scale_lines(row):
    probe_us = 1e6 * row["share"] * CROWD_INTERVAL_S / CROWD.workers
    met = "met" if row["share"] < PROBES_GOAL else "missed"
    return [f"### {title(CROWD.title)}", "",
            f"Ballast knew all to be alive {row['start_s']:.1f} s after its start. Probing each every "
            f"{CROWD_INTERVAL_S} s takes {100 * row['share']:.1f} % of a processor, {probe_us:.1f} us a probe "
            f"(goal under {100 * PROBES_GOAL:.0f} %: {met}). The process holds {row['bytes'] / 2**20:.0f} MiB, "
            f"{row['bytes'] / CROWD.workers:.0f} bytes a worker.", ""]


def lines_of(result, chart=None):
    host = result["machine"]
    versions = ", ".join(f"{name} {version}".strip() for name, version in result["versions"].items())
    lines = [f"Measured on {host['date']}: {host['cores']} cores ({host['processor']}), Linux {host['kernel']}; "
             f"{versions}; {result['rounds']} rounds of {result['seconds']:g} s each; one-minute load of the machine "
             f"before: {host['load']:.1f}.", ""]
    if chart:
        lines += [f"![processor time per request, by contender and kind of work]({chart})", ""]
    for name, rows in result["works"].items():
        lines += [f"### {title(WORKS[name].title)}", "", *work_table(rows), "", reading(name, rows), ""]
        if name in HANDSHAKES:
            lines += [handshakes_reading(rows), ""]
        if WORKS[name].threads > 1:
            lines += [scaling_reading(rows), ""]
    if TAIL in result:
        lines += tail_lines(result[TAIL])
    if IDLE in result:
        lines += idle_lines(result[IDLE])
    if result.get(SCALE):
        lines += scale_lines(result[SCALE])
    return lines


# --- The chart ---

COLOURS = {"relay": "#8c96a0", "loop": "#8c96a0", "ballast": "#1b7f5c", "nginx": "#c8862b", "haproxy": "#4a6fb5"}
LEFT, WIDTH, BAR, GAP, FONT = 90, 560, 15, 30, 12


def text(x, y, words, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{html.escape(words)}</text>'


def bars(rows, top):
    """One kind of work: a bar a contender, the dearest as wide as there is room."""
    dearest = max(row["cpu_us"] for row in rows.values())
    drawn = []
    for i, (name, row) in enumerate(rows.items()):
        y = top + i * BAR
        wide = WIDTH * row["cpu_us"] / dearest
        drawn += [f'<rect x="{LEFT}" y="{y}" width="{wide:.1f}" height="{BAR - 3}" '
                  f'fill="{COLOURS[name.split()[0]]}"/>',
                  text(LEFT - 6, y + BAR - 5, name, 'text-anchor="end"'),
                  text(LEFT + wide + 5, y + BAR - 5, f"{row['cpu_us']:.1f}")]
    return drawn


def chart(result):
    """Processor time per request of each kind of work, as SVG."""
    drawn, y = [text(8, 18, "Processor time per request, microseconds; shorter is better", 'font-weight="bold"')], 30
    for name, rows in result["works"].items():
        drawn += [text(LEFT, y + 14, WORKS[name].title, 'font-weight="bold"'), *bars(rows, y + 20)]
        y += GAP + BAR * len(rows)
    whole = f"0 0 {LEFT + WIDTH + 70} {y + 10}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" font-family="sans-serif" font-size="{FONT}">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(drawn) + "\n</svg>\n")
