"""Reads audit rows as JSON, in the order of their chain, and says whether it is whole. Shares no code with the tool."""

import hashlib
import json
import sys

rows = json.load(sys.stdin)
bad = forks = 0
previous = hashlib.sha256(b"OSLRS-AUDIT-GENESIS-2026").hexdigest()
for row in rows:
    moment = row["created_at"]
    if moment[23:26] != "000":
        sys.exit("a time finer than a millisecond: " + moment)
    details = json.loads(row["details"]) if row["details"] is not None else {}
    canonical = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    parts = [row["id"], row["action"], row["actor_id"] or "SYSTEM", moment[:23] + "Z", canonical, row["previous_hash"]]
    if hashlib.sha256("|".join(parts).encode()).hexdigest() != row["hash"]:
        bad += 1
    if row["previous_hash"] != previous:
        forks += 1
    previous = row["hash"]
print(f"{len(rows)} rows, {bad} bad hashes, {forks} forks")
