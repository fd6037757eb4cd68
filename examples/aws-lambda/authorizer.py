"""The Lambda function: hands the event of API Gateway to okgate, and gives its answer back.

Set OKGATE_URL to okgate's endpoint with `dialect: aws_lambda`. No packages needed.
"""

import json
import os
import urllib.error
import urllib.request

URL = os.environ.get("OKGATE_URL", "http://127.0.0.1:20082/authorizer")


def handler(event, context):
    request = urllib.request.Request(URL, json.dumps(event).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        if refusal.code == 401:
            raise Exception("Unauthorized")  # what API Gateway takes for 401
        if refusal.code >= 500:
            raise  # no decision: API Gateway answers 500, and caches nothing
        return json.load(refusal)  # a policy that denies: 403


if __name__ == "__main__":  # python3 authorizer.py < event.json
    import sys

    try:
        print(json.dumps(handler(json.load(sys.stdin), None), sort_keys=True))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
