"""Carries out management calls as scripts for Quay do: each line of the input is a call, each of the output its answer."""

import json
import sys

import requests

base, token = sys.argv[1], sys.stdin.readline().strip()
session = requests.Session()
session.headers.update({"Authorization": f"Bearer {token}"})

for line in sys.stdin:
    call = json.loads(line)
    options = {"json": call["body"]} if "body" in call else {}
    response = session.request(call["method"], base + call["path"], timeout=30, **options)
    answer = {"status": response.status_code, "body": response.json() if response.content else ""}
    print(json.dumps(answer), flush=True)
