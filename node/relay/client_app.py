"""A Flower message with a request arrives; one with the node's reply leaves, or with a code. Reads neither.

Whatever happens becomes a code, since Flower sends the text of an exception to the coordinator. The operator's words
go to this process's stderr, one line each.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from node.relay import bridge

RECORD = "parcel"

app = ClientApp()


@app.query("forward")
def forward(message: Message, context: Context) -> Message:
    """Pass the bytes under `request` on to the school's node; `reply` or `code` comes back."""
    return Message(RecordDict({RECORD: _outcome(message, context)}), reply_to=message)


def _outcome(message: Message, context: Context) -> ConfigRecord:
    try:
        settings = bridge.settings(context.node_config)
        return ConfigRecord({"reply": bridge.forward(_request(message), settings.socket, settings.seconds)})
    except bridge.RelayFailure as failure:
        return _told(failure)
    except (KeyboardInterrupt, SystemExit):
        raise  # somebody stops this process; Flower sends nothing of it, and the school counts as silent
    except BaseException as error:
        return _told(bridge.failure("defect", type(error).__name__))


def _request(message: Message) -> bytes:
    """The request of a message. Raises RelayFailure."""
    record = message.content.config_records.get(RECORD) if message.has_content() else None
    request = None if record is None else record.get("request")
    if not isinstance(request, bytes):
        raise bridge.failure("no_request")
    return request


def _told(failure: bridge.RelayFailure) -> ConfigRecord:
    """Say to the operator what happened; a log that cannot be written keeps no code from the coordinator."""
    with suppress(Exception):
        sys.stderr.write(f"relay: {failure}\n")
        sys.stderr.flush()
    return ConfigRecord({"code": failure.code})
