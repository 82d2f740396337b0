#!/usr/bin/env python3
"""Sends the requests of recordings to a Neutron server and writes its answers into the same files.

    record.py http://127.0.0.1:9696 networks.json ports.json …

The server must answer without authentication and hold nothing that matters: everything in it is deleted before each file.
"""

import http.client
import json
import re
import sys
from urllib.parse import urlsplit

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?")
MAC = re.compile(r"fa:16:3e(:[0-9a-f]{2}){3}")
JSON = {"Content-Type": "application/json"}


def main():
    server, files = sys.argv[1], sys.argv[2:]
    for path in files:
        with open(path) as file:
            exchanges = json.load(file)
        empty(server)
        record(server, exchanges)
        lines = ",\n".join(json.dumps(exchange) for exchange in exchanges)
        with open(path, "w") as file:
            file.write(f"[\n{lines}\n]\n")
        print(f"{path}: {len(exchanges)}")


def record(server, exchanges):
    ids = {}  # name of what was kept → its id
    for exchange in exchanges:
        for old in ("status", "response"):
            exchange.pop(old, None)
        try:
            status, body = exchange_one(server, exchange, ids)
        except TimeoutError:
            print(f"no answer: {exchange['name']}")
            continue
        try:
            answer = json.loads(body) if body else None
        except ValueError:
            answer = body.decode("utf-8", "replace")  # not JSON: kept as text
        for name, pointer in exchange.get("keep", {}).items():
            if status >= 300:
                sys.exit(f"{exchange['name']}: {answer}")
            ids[name] = follow(answer, pointer)
        exchange["status"] = status
        exchange["response"] = normal(answer, {**ids, "server": urlsplit(server).netloc}, json.dumps(exchange))


def exchange_one(server, exchange, ids):
    """A request as the recording has it, with the real ids in it."""
    headers, body = dict(JSON), None
    if "raw" in exchange:
        body = exchange["raw"].encode()
    elif "hex" in exchange:
        body = bytes.fromhex(exchange["hex"])
    elif "body" in exchange:
        body = filled(json.dumps(exchange["body"]), ids).encode()
    else:
        headers = {}
    for name, value in exchange.get("headers", {}).items():
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    return send(server, exchange["method"], filled(exchange["path"], ids), body, headers)


def send(server, method, path, body=None, headers=JSON):
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None or method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def filled(text, ids):
    for name, value in ids.items():
        text = text.replace("{%s}" % name, value)
    return text


def follow(answer, pointer):
    for step in pointer.split("/")[1:]:
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer


def normal(answer, ids, request):
    """The answer without what differs from run to run. What the request itself says stays."""
    text = json.dumps(answer)
    for name, value in ids.items():
        text = text.replace(value, "{%s}" % name)
    for pattern, name in ((UUID, "{uuid}"), (TIME, "{time}"), (MAC, "{mac}")):
        text = pattern.sub(lambda found: found[0] if found[0] in request else name, text)
    return json.loads(text)


def empty(server):
    for plural in ("ports", "networks", "security-groups", "quotas"):
        _, body = send(server, "GET", f"/v2.0/{plural}")
        for item in json.loads(body)[plural.replace("-", "_")]:
            if plural == "ports" and item["device_owner"].startswith("network:"):
                # a router's port is not deleted as one
                send(server, "PUT", f"/v2.0/ports/{item['id']}", b'{"port": {"device_owner": ""}}')
            send(server, "DELETE", f"/v2.0/{plural}/{item.get('id') or item['project_id']}")


if __name__ == "__main__":
    main()
