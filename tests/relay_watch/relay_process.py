"""A staged bundle and a socket path arrive, a request in hexadecimal on stdin; what the relay says leaves on stdout.

`python relay_process.py BUNDLE SOCKET`: loads the ClientApp as Flower's own process does, from the bundle's folder, and
calls it with a real message and context. Said is one JSON object: {"reply": hexadecimal} or {"code": text}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp.client_app import LoadClientAppError
from flwr.supercore.object_ref import load_app
from flwr.supercore.task_identity import TaskIdentity


def main(bundle: Path, socket: str, request: bytes) -> None:
    """Carry one request."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    app = load_app("node.relay.client_app:app", LoadClientAppError, bundle)
    content = RecordDict({"parcel": ConfigRecord({"request": request})})
    context = Context(1, 1, {"socket": socket}, RecordDict(), {})
    reply = app(message=Message(content, 1, "query.forward", ttl=600), context=context)
    said = dict(reply.content.config_records["parcel"])
    print(json.dumps({key: value.hex() if isinstance(value, bytes) else value for key, value in said.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.stdin.read()))
