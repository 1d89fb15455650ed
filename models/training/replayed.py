"""What the daemon itself makes of recorded clips: `keng replay` over each, against its truth.

A folder of clips has a `manifest.csv` with at least `file` and `contains` (fire, smoke, person,
none; separated by semicolons). When something begins stands in `burns_from_s` and
`person_from_s` where the manifest has such columns; for clips that are known by name, below.
"""

from __future__ import annotations

import csv
import datetime
import json
import subprocess
import tempfile
from pathlib import Path

# When a person sees fire or smoke, and somebody to loiter, in seconds, where prose says it.
BURNS_FROM = {"car_fire_day_handheld": 0.2, "dollhouse_fire_day_fixedcam": 1.0,
              "house_fire_day_portrait": 0.0, "parking_arson_night_cctv": 1.4}
PERSON_FROM = {"ir_night_cctv_person": 12.0, "indoor_person_one_by_one": 3.0,
               "thermal_playground_people": 11.0}
START = "2026-01-01T22:00:00+07:00"
# Somebody who stands still for so long: real dwell times are longer than the clips are.
DWELL_S = 5.0
CONFIG = """[ward]
id = "eval"
[store]
path = "var"
[detector]
model = "{model}"
[rule.loitering]
dwell_s = {dwell}
night = "00:00-00:00"
[[khu_pho]]
id = "kp"
[[camera]]
id = "clip"
khu_pho = "kp"
url = "rtsp://192.0.2.1/clip"
place = {{ address = "clip" }}
"""


def alerts(program: Path, config: Path, clip: Path) -> list[dict[str, object]]:
    """All alerts of one clip."""
    command = [str(program), "replay", str(clip), "--config", str(config), "--json",
               "--start", START]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{clip.name}: {done.stderr.strip()[-400:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def first(found: list[dict[str, object]], kinds: tuple[str, ...]) -> float | None:
    """Seconds from the start of the clip to the first alert of these kinds."""
    begin = datetime.datetime.fromisoformat(START)
    times = [datetime.datetime.fromisoformat(str(alert["updated_at"])) - begin
             for alert in found if alert["kind"] in kinds]
    return min(times).total_seconds() if times else None


def dwell_error(found: list[dict[str, object]], present_from: float) -> float | None:
    """Seconds that the first loitering alert's dwell is over (under: below 0) the real presence."""
    told = next((alert for alert in found if alert["kind"] == "loitering"), None)
    if told is None or told.get("dwell_s") is None:
        return None
    begin = datetime.datetime.fromisoformat(START)
    at = (datetime.datetime.fromisoformat(str(told["updated_at"])) - begin).total_seconds()
    return float(str(told["dwell_s"])) - (at - present_from)


def since(row: dict[str, str], column: str, known: dict[str, float]) -> float:
    """When something begins in a clip."""
    return float(row.get(column) or known.get(Path(row["file"]).stem, 0.0))


def judge(row: dict[str, str], found: list[dict[str, object]]) -> dict[str, object]:
    """One clip's line: what was alarmed, after how long, and how often for nothing."""
    shown = set(row["contains"].replace(",", ";").split(";"))
    burning, person = first(found, ("fire", "smoke")), first(found, ("loitering",))
    burns, people = bool(shown & {"fire", "smoke"}), "person" in shown
    opened = {str(alert["id"]) for alert in found if alert["kind"] in ("fire", "smoke")}
    return {
        "clip": Path(row["file"]).stem, "seconds": float(row["duration_s"]),
        "burns": burns, "person": people,
        "alarm_after_s": round(burning - since(row, "burns_from_s", BURNS_FROM), 1)
        if burns and burning is not None else None,
        "false_alarms": 0 if burns else len(opened),
        "dwell_after_s": round(person - since(row, "person_from_s", PERSON_FROM), 1)
        if people and person is not None else None,
        "dwell_error_s": round(error, 1)
        if people and (error := dwell_error(found, since(row, "person_from_s", PERSON_FROM)))
        is not None else None,
        "false_dwell": 0 if people or person is None else 1,
    }


def replay_all(program: Path, model: Path, folder: Path) -> list[dict[str, object]]:
    """Every clip of the folder's manifest."""
    with (folder / "manifest.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if (folder / row["file"]).exists()]
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "eval.toml"
        config.write_text(CONFIG.format(model=model.resolve(), dwell=DWELL_S))
        return [judge(row, alerts(program, config, folder / row["file"])) for row in rows]


def print_table(lines: list[dict[str, object]]) -> dict[str, object]:
    """Print the clips and what they come to; returns the sums."""
    def seconds(value: object) -> str:
        return "-" if value is None else f"{value:.1f} s"

    print(f"\n{'clip':34} {'fire or smoke':>14} {'false':>6} {'somebody stays':>15} "
          f"{'dwell error':>12} {'false':>6}")
    for line in lines:
        fire = seconds(line["alarm_after_s"]) if line["burns"] else ""
        stays = seconds(line["dwell_after_s"]) if line["person"] else ""
        error = line["dwell_error_s"]
        over = "" if error is None else f"{error:+.1f} s"
        print(f"{line['clip']:34} {fire:>14} {line['false_alarms'] or '':>6} {stays:>15} "
              f"{over:>12} {line['false_dwell'] or '':>6}")
    fires = [line for line in lines if line["burns"]]
    free = sum(float(line["seconds"]) for line in lines if not line["burns"])
    false = sum(int(line["false_alarms"]) for line in lines)
    in_time = sum(line["alarm_after_s"] is not None and line["alarm_after_s"] <= 10
                  for line in fires)
    people = [line for line in lines if line["person"]]
    stayed = sum(line["dwell_after_s"] is not None for line in people)
    errors = [abs(float(str(line["dwell_error_s"]))) for line in people
              if line["dwell_error_s"] is not None]
    print(f"{in_time} of {len(fires)} fires alarmed within 10 s; {false} false fire or smoke "
          f"alarms in {free:.0f} s without ({false / max(free, 1) * 3600:.1f} an hour); "
          f"somebody who stays {DWELL_S:.0f} s told in {stayed} of {len(people)}, "
          f"their dwell at most {max(errors, default=0):.1f} s off")
    return {"fires": len(fires), "alarmed_within_10_s": in_time, "false_alarms": false,
            "fire_free_s": round(free, 1), "false_alarms_an_hour":
            round(false / max(free, 1) * 3600, 2), "people": len(people),
            "people_found_staying": stayed, "dwell_error_max_s": max(errors, default=None),
            "each": lines}
