"""Runs the commands of the real openstack client that come on standard input, one a line, and answers each with a line of
JSON: exit, stdout, stderr. One process for all of them: loading the client takes longer than what it does."""

import contextlib
import io
import json
import logging
import shlex
import sys

from openstackclient import shell

for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        # the client takes its streams for logging at its start
        logging.getLogger().handlers.clear()
        try:
            code = shell.main(shlex.split(line))
        except SystemExit as exit:
            code = exit.code
    print(json.dumps({"exit": code, "stdout": out.getvalue(), "stderr": err.getvalue()}), flush=True)
