# SPDX-License-Identifier: MIT
"""What became of each way on each kernel: read, judged, and shown as a table in Markdown and as JSON."""
import glob
import json
import os

from kernels import AUTOS, LADDER, SHOWN, TESTS, WAYS

CANNOT = ("69", "77")  # exit statuses of an agent whose kernel, or whose rights, do not let it watch: sysexits.h
NO_PROGRAM = "32: No such file or directory"  # of truth: that 32-bit program could not be built
LOG_LINES = 15
ASPECTS = (("names", "names"), ("arguments", "args"), ("addresses", "addresses"),
           ("resolved paths", "paths"))
CROWDS = "connect_blocked_"  # scenarios of 600 threads, and what they do
CROWDED = ("connect", "connect_result")
WHY_MAX = 120  # of a cell of the table; the JSON has all of it


def read(*path):
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def reason(log):
    """The last error of an agent that did not come up, without its time stamp."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if " error " in line or "linux-edr-bpf: " in line] or lines
    if not errors:
        return "it said nothing"
    return errors[0].split(" error ", 1)[-1].split("linux-edr-bpf: ", 1)[-1].strip()


def unbalanced(name, counts):
    """Types of a report that were made and are neither delivered, nor dropped, nor under way, as sentences."""
    return [f"{name}: {kind}: produced {n['produced']} + pending {n['pending_before']} is not delivered {n['delivered']} + "
            f"dropped {n['dropped']} + pending {n['pending_after']}" for kind, n in counts.items()
            if n["produced"] + n["pending_before"] != n["delivered"] + n["dropped"] + n["pending_after"]]


def reports(folder):
    """Sums of what the reports of one run say was lost, and their source and degraded."""
    lost, blind, source, degraded, silent = {}, 0.0, "", [], []
    for path in sorted(glob.glob(os.path.join(folder, "cell-*.json"))):
        cell = json.loads(read(path))
        for kind, n in cell["loss"]["by_type"].items():
            lost[kind] = lost.get(kind, 0) + n
        blind += cell["loss"]["blind_seconds"]
        source = cell["source"]
        degraded = cell["degraded"]
        silent += unbalanced(os.path.basename(path), cell["counts"])
    return {"lost": lost, "blind_seconds": blind, "source": source, "degraded": degraded, "silent": silent}


def read_cell(folder, auto=False):
    """One way on one kernel, from what guest.sh left; auto: it was only started and stopped."""
    status = read(folder, "status").strip()
    log = read(folder, "log")
    if not status:
        return {"status": "broken", "why": "nothing came back from it", "log": ""}
    cell = {"status": status, "note": read(folder, "note").strip(), "left": read(folder, "left"),
            "log": "\n".join(log.splitlines()[-LOG_LINES:])}
    code = read(folder, "exit").strip()
    if status == "cannot":
        if code not in CANNOT:
            cell["status"] = "broken"
        cell["why"] = reason(log) if code in CANNOT else f"not up, exit status {code or 'unknown'}: {reason(log)}"
        return cell
    cell["exit"] = int(code or -1)
    cell["left_out"] = read(folder, "left_out").splitlines()
    cell["asked"] = read(folder, "asked").split()
    cell["compare"], cell["check"] = read(folder, "compare"), read(folder, "check")
    try:
        cell.update(reports(folder))
        if not auto:
            cell["figures"] = json.loads(read(folder, "figures.json"))
    except (ValueError, KeyError) as e:
        return dict(cell, status="broken", why=f"its reports or figures cannot be read: {e}")
    if status == "broken":
        cell["why"] = "; ".join(read(folder, "broken").splitlines())
    return cell


def left_behind(cell):
    left = [line for line in cell.get("left", "").splitlines() if line[:1] in "<>"]
    return [f"tracefs is not as it was found: {'; '.join(left[:4])}"] if left else []


def ended(cell):
    return cell["silent"] + ([f"the agent ended with {cell['exit']}"] if cell["exit"] else [])


NO_ARGS = "arguments of an exec are read from /proc after the fact"


def judge_auto(kernel, auto, cell):
    """Of a ladder that was left to itself: did it take the step that it must, does it say so, and why not a better one?"""
    wrong = left_behind(cell)
    if cell["status"] != "done":
        return wrong + [f"{cell['status']}: {cell['why']}"]
    wrong += ended(cell)
    refused, taken = auto.expected(kernel)
    if cell["source"] != taken:
        wrong.append(f"took {cell['source']}, not {taken}")
    said = {step for step in LADDER if any(d.startswith(f"{step} is not used: ")
                                                                    for d in cell["degraded"])}
    if auto.why and not any(d.startswith("bpf-btf is not used: ") and auto.why in d for d in cell["degraded"]):
        wrong.append(f"`degraded` does not say of the file that {auto.why}")
    if said != set(refused):
        wrong.append(f"`degraded` tells that {sorted(said)} is not used, not {sorted(refused)}")
    late = any(d.startswith(NO_ARGS) for d in cell["degraded"])
    if late != (taken == "ftrace" and bool(cell["note"])):
        wrong.append(f"`degraded` {'says' if late else 'does not say'} that the arguments of an exec are read late")
    if f"\nsource: {taken}. " not in cell["check"]:
        wrong.append(f"check does not say that {taken} would be taken")
    return wrong


def read_test(folder, test):
    """passed, left out or failed, and why."""
    status, log = read(folder, test.name + ".status").strip(), read(folder, test.name + ".log")
    if status == "0":
        return {"verdict": "passed", "why": "", "log": log}
    said = [line for line in log.splitlines() if line.startswith(("SKIPPED:", "FAILED:"))]
    return {"verdict": "left out" if status == "77" else "failed", "log": log,
            "why": "; ".join(said[:3]) or f"exit status {status or 'not to be had'}"}


def differing(kernel, cell):
    """How many differences there are, but for those of a crowd whose programs the kernel may skip: what is not missing may
    be told late there, without its result; and when something is lost, one event stands for another that is missing."""
    figures = cell["figures"]
    excused = "differences" if cell["lost"] else "late"
    crowds = [s.get(excused, 0) for name, s in figures.get("scenarios", {}).items() if name.startswith(CROWDS)]
    return figures["differences"] - (sum(crowds) if kernel.skips else 0)


def judge_extent(kernel, way, cell):
    """Of a run of every scenario: what was not done at all, so that nothing of it can be wrong."""
    figures = cell["figures"]
    may = tuple(f"{name}: " for name in kernel.lacks or ())
    wrong = [f"left out: {line}" for line in cell["left_out"]
             if kernel.lacks is not None and not line.startswith(may) and not line.endswith(NO_PROGRAM)]
    left_out = {line.split(":", 1)[0] for line in cell["left_out"]}
    wrong += [f"nothing of {name} is among what was done" for name in cell["asked"]
              if name not in figures["scenarios"] and name not in left_out]
    wrong += [f"no {kind} was done" for kind in SHOWN if not figures["types"].get(kind, {"expected": 0})["expected"]]
    if way.mode == "ftrace" and not cell["note"] and not figures["types"].get("exec", {"fits": 0})["fits"]:
        wrong.append("no exec was within the limits of the probes")
    return wrong


def judge(kernel, way, cell, whole=False):
    """What is wrong with a cell, as a list of sentences; whole: every scenario was asked for."""
    status = cell["status"]
    wrong = left_behind(cell)
    if status == "cannot":
        return wrong + ([f"did not start: {cell['why']}"] if way.possible(kernel) else [])
    if status != "done":
        return wrong + [cell["why"]]
    wrong += ended(cell)
    wrong += judge_extent(kernel, way, cell) if whole else []
    if cell.get("note") and kernel.probes:
        wrong.append(cell["note"])
    if cell["figures"]["broken"]:
        wrong.append(f"{cell['figures']['broken']} lines that are no events")
    if way.exact and differing(kernel, cell):
        wrong.append(f"{differing(kernel, cell)} differences")
    for kind, f in cell["figures"]["types"].items():
        lost = cell["lost"].get(kind, 0)
        missing = f["expected"] - f["found"]
        if missing > lost:
            wrong.append(f"{missing} of {f['expected']} {kind} missing, {lost} told as lost")
        if f["extra"] and (way.exact or kind in SHOWN):
            wrong.append(f"{f['extra']} {kind} that nobody did")
        if f["fits_right"] < f["fits"]:
            wrong.append(f"{f['fits'] - f['fits_right']} of {f['fits']} {kind} within the limits of the probes not right by "
                         "them")
        if f["unmarked"]:
            wrong.append(f"{f['unmarked']} {kind} beyond the limits of the probes do not say so")
        if way.all_args and kind == "exec" and f["args_marked"]:
            wrong.append(f"{f['args_marked']} of {f['args']} {kind} with arguments that are marked, and are not to be had")
        # With ways that are not exact, only what the matrix shows: all else is judged by their own tests.
        for label, key in ASPECTS if way.exact or kind in SHOWN else ():
            n = f[key] - f[key + "_right"] - f[key + "_marked"]
            if n and not (kernel.skips and missing and kind in CROWDED):
                wrong.append(f"{n} of {f[key]} {kind} with wrong {label}, and no mark that it may be")
    return wrong


def percent(right, everything):
    """Rounded down, so that 100 means all."""
    if not everything:
        return "-"
    tenths = right * 1000 // everything
    return f"{tenths // 10}" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}"


def show_cell(cell):
    if cell is None:
        return "not run"
    if cell["status"] != "done":
        why = cell["why"] if len(cell["why"]) <= WHY_MAX else cell["why"][:WHY_MAX].rsplit(" ", 1)[0] + " ..."
        return ("no: " if cell["status"] == "cannot" else "**broken**: ") + why.replace("|", "\\|")
    parts = []
    for kind in SHOWN:
        f = cell["figures"]["types"].get(kind)
        if not f:
            parts.append("-")
            continue
        text = percent(f["right"], f["expected"])
        missing, lost = f["expected"] - f["found"], cell["lost"].get(kind, 0)
        notes = []
        if f["right"] < f["found"] or f["paths_right"] < f["paths"]:
            notes += [f"{label} {percent(f[key + '_right'], f[key])}" for label, key in ASPECTS
                      if f[key] and (f["right"] < f["found"] or f[key + "_right"] < f[key])]
        if f["fits"]:
            notes.append(f"within the limits {percent(f['fits_right'], f['fits'])} of {f['fits']}")
        if f["unseen"]:
            notes.append(f"{f['unseen']} more unseen by design")
        if missing:
            notes.append(f"{missing} missing, {lost} told as lost")
        parts.append(text + (f" ({', '.join(notes)})" if notes else ""))
    text = " / ".join(parts) + (f"; {cell['note']}" if cell.get("note") else "")
    return text + (" **wrong**" if cell.get("wrong") else "")


def show_auto(cell):
    if cell is None:
        return "-"
    text = cell.get("source") or cell["status"]
    if text == "ftrace":
        text += ", no probes" if cell["note"] else ", argument probes"
    return text + (" **wrong**" if cell["wrong"] else "")


def show_tests(row, column):
    """Of the tests of a column: whether all passed, or which did not."""
    results = {test.name: row["tests"][test.name]["verdict"] for test in TESTS
               if test.column == column and test.name in row["tests"]}
    bad = [f"{name} {verdict}" for name, verdict in results.items() if verdict != "passed"]
    if not results:
        return "-"
    return "**" + ", ".join(bad) + "**" if bad else "yes"


def table(head, lines):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *lines]) + "\n"


def label_of(row):
    return row["label"] + (f" ({row['release']})" if row.get("release") else "")


def markdown(rows):
    """rows: of run_all. The matrix, what the ladder takes, and the tests."""
    lines = []
    for row in rows:
        if row.get("left_out"):
            cells = [f"left out: {row['left_out']}"] + [""] * (len(WAYS) - 1)
        else:
            cells = [show_cell(row["cells"].get(way.name)) for way in WAYS]
        lines.append([label_of(row), *cells])
    # As links from docs/kernels.md, where this is kept.
    lines.append(["not seen, by design:"] + [f"[{way.unseen}]({way.unseen})" for way in WAYS])
    text = table(["kernel"] + [way.label for way in WAYS], lines)
    rows = [row for row in rows if not row.get("left_out")]
    autos = [[label_of(row)] + [show_auto(row["autos"].get(auto.name)) for auto in AUTOS]
             for row in rows if row["autos"]]
    if autos:
        text += "\nWhat `auto` takes:\n\n" + table(["kernel"] + [auto.label for auto in AUTOS], autos)
    columns = list(dict.fromkeys(test.column for test in TESTS))
    tests = [[label_of(row)] + [show_tests(row, column) for column in columns] for row in rows if row["tests"]]
    if tests:
        text += "\nThe tests of tests/kernel for the ftrace source:\n\n" + table(["kernel"] + columns, tests)
    return text
