#!/usr/bin/env python3
"""Waits for the builds of a revision: exits with 0 if they are good, 1 if not, 2 if nobody can tell."""
import os
import socket
import sys
import time
from xmlrpc.client import ServerProxy

if len(sys.argv) not in (3, 4):
    print(f"usage: {sys.argv[0]} BASE_URL REVISION [BUILDER]", file=sys.stderr)
    sys.exit(2)
url, revision, *builder = sys.argv[1:]
only = {"builder": builder[0]} if builder else {}
wanted = {"revision": revision, "limit": 100, **only}
headers = [("Authorization", f"Bearer {token}")] if (token := os.environ.get("BELFRY_TOKEN")) else []
socket.setdefaulttimeout(60)
try:
    deadline = time.monotonic() + float(os.environ.get("BELFRY_TIMEOUT") or 3600)
    master = ServerProxy(url.rstrip("/") + "/xmlrpc", headers=headers)
    if builder:
        master.builders.get(only)  # Refused if there is none of this name, which would never build.
    news = {"types": ["request.finished"], "waitSeconds": 0, **only}
    while True:
        news["since"] = master.events.since(news)["next"]
        buildsets = sorted({build["buildset"] for build in master.builds.list(wanted)["items"]})
        requests = [r for id in buildsets for r in master.buildsets.get({"buildset": id})["requests"]]
        newest = {r["builder"]: r for r in requests if not builder or r["builder"] in builder}.values()
        if newest and all(r["state"] == "complete" for r in newest):
            break
        news["waitSeconds"] = min(25, deadline - time.monotonic())
        if news["waitSeconds"] <= 0:
            raise TimeoutError(f"The builds of {revision} have not ended in time.")
    numbers = {build["request"]: build["number"] for build in reversed(master.builds.list(wanted)["items"])}
    for r in newest:
        print(f"{r['builder']} {numbers.get(r['id'], '-')}: {r['result']}")
except Exception as error:
    print(f"{sys.argv[0]}: {error}", file=sys.stderr)
    sys.exit(2)
sys.exit(0 if all(r["result"] in ("success", "warnings") for r in newest) else 1)
