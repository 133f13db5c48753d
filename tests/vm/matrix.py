# SPDX-License-Identifier: MIT
"""What became of each way on each kernel: read, judged, and shown as a table in Markdown and as JSON."""
import glob
import json
import os

from kernels import SHOWN, WAYS

EX_USAGE, EX_CONFIG = 64, 78
LOG_LINES = 15
ASPECTS = (("names", "names"), ("arguments", "args"), ("addresses", "addresses"))
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


def read_cell(folder):
    """One way on one kernel, from what guest.sh left."""
    status = read(folder, "status").strip()
    log = read(folder, "log")
    if not status:
        return {"status": "broken", "why": "nothing came back from it", "log": ""}
    cell = {"status": status, "note": read(folder, "note").strip(), "log": "\n".join(log.splitlines()[-LOG_LINES:])}
    code = read(folder, "exit").strip()
    if status == "cannot":
        cell["why"] = reason(log)
        if code in (str(EX_USAGE), str(EX_CONFIG)) or "has no ftrace source yet" in log:
            cell["status"] = "absent"
        return cell
    cell["exit"] = int(code or -1)
    cell["left_out"] = read(folder, "left_out").splitlines()
    cell["compare"] = read(folder, "compare")
    try:
        cell.update(reports(folder))
        cell["figures"] = json.loads(read(folder, "figures.json"))
    except (ValueError, KeyError) as e:
        return dict(cell, status="broken", why=f"its reports or figures cannot be read: {e}")
    if status == "broken":
        cell["why"] = "; ".join(read(folder, "broken").splitlines())
    return cell


def judge(kernel, way, cell):
    """What is wrong with a cell, as a list of sentences."""
    status = cell["status"]
    if status == "absent":
        return []  # a program that does not have that way
    if status == "cannot":
        return [f"did not start: {cell['why']}"] if way.possible(kernel) else []
    if status != "done":
        return [cell["why"]]
    wrong = list(cell["silent"])
    if cell["exit"]:
        wrong.append(f"the agent ended with {cell['exit']}")
    if cell["figures"]["broken"]:
        wrong.append(f"{cell['figures']['broken']} lines that are no events")
    if way.exact and cell["figures"]["differences"]:
        wrong.append(f"{cell['figures']['differences']} differences")
    for kind, f in cell["figures"]["types"].items():
        lost = cell["lost"].get(kind, 0)
        missing = f["expected"] - f["found"]
        if missing > lost:
            wrong.append(f"{missing} of {f['expected']} {kind} missing, {lost} told as lost")
        if f["extra"] and kind in SHOWN:
            wrong.append(f"{f['extra']} {kind} that nobody did")
        if f["fits_right"] < f["fits"]:
            wrong.append(f"{f['fits'] - f['fits_right']} of {f['fits']} {kind} within the limits of the probes not right by "
                         "them")
        if f["unmarked"]:
            wrong.append(f"{f['unmarked']} {kind} beyond the limits of the probes do not say so")
        # With ways that are not exact, only what the matrix shows: all else is judged by their own tests.
        for label, key in ASPECTS if way.exact or kind in SHOWN else ():
            n = f[key] - f[key + "_right"] - f[key + "_marked"]
            if n:
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
    if cell["status"] == "absent":
        return "not in this program"
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
        if f["right"] < f["found"]:
            notes += [f"{label} {percent(f[key + '_right'], f[key])}" for label, key in ASPECTS if f[key]]
        if f["paths_right"] < f["paths"] and kind == "exec":
            notes.append(f"resolved paths {percent(f['paths_right'], f['paths'])}")
        if f["fits"]:
            notes.append(f"within the limits {percent(f['fits_right'], f['fits'])} of {f['fits']}")
        if f["unseen"]:
            notes.append(f"{f['unseen']} more unseen by design")
        if missing:
            notes.append(f"{missing} missing, {lost} told as lost")
        parts.append(text + (f" ({', '.join(notes)})" if notes else ""))
    text = " / ".join(parts) + (f"; {cell['note']}" if cell.get("note") else "")
    return text + (" **wrong**" if cell.get("wrong") else "")


def markdown(rows):
    """rows: of run_all."""
    lines = ["| kernel | " + " | ".join(way.label for way in WAYS) + " |",
             "|---|" + "---|" * len(WAYS)]
    for row in rows:
        label = row["label"] + (f" ({row['release']})" if row.get("release") else "")
        if row.get("left_out"):
            cells = [f"left out: {row['left_out']}"] + [""] * (len(WAYS) - 1)
        else:
            cells = [show_cell(row["cells"].get(way.name)) for way in WAYS]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines.append("| not seen, by design: | " + " | ".join(way.unseen for way in WAYS) + " |")
    return "\n".join(lines) + "\n"
