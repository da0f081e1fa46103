#!/usr/bin/env python3
"""Reads a durable consumer of Trivium's events with nats-py (requirements.lock), and says what it sees.

  subscribe.py --server tls://events.aws.example:4300 --folder /etc/trivium --cluster aws --name dns \\
               --consumer dns:endpoint

Each event once: JetStream delivers again what it did not hear acknowledged in time, with the same sequence. A gap on
a subject (the limits took events before they were read) shows as a previd that is not the last one seen there: then,
as after an event about the log (…_log…), read the state anew: `triviumctl get`, or SQL."""

import argparse
import asyncio
import json
import ssl

import nats
from nats.errors import TimeoutError as NoMessages


class Reader:
    """What a subscriber has to remember: the last sequence, and the last event of each subject."""

    def __init__(self):
        self.sequence = 0
        self.last = {}

    def take(self, sequence, subject, event):
        """The notes about one message: what is new in it, and whether the state must be read anew."""
        if sequence <= self.sequence:
            return ["again"]
        self.sequence = sequence
        if "._log." in subject:
            self.last.clear()
            return [f"resync {event['type']} after revision {event['revision']}: {event['data']['reason']}"]
        known = self.last.get(subject)
        gap = known is not None and event.get("previd") != known
        self.last[subject] = event["id"]
        notes = [f"gap on {subject}: have {known}, it follows {event.get('previd')}"] if gap else []
        name = event["data"]["metadata"]["name"]
        return notes + [f"{event['id']} {event['type']} {event['data']['kind']} {name}"]


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--folder", required=True, help="with ca.crt and <cluster>-sub-<name>.crt and .key")
    parser.add_argument("--cluster", required=True, help="whose events")
    parser.add_argument("--home", help="the cluster of the server, if it is another (for the mesh's own log)")
    parser.add_argument("--name", required=True, help="the subscriber")
    parser.add_argument("--consumer", required=True, help="<name>, or <name>:<kind>")
    parser.add_argument("--count", type=int, default=0, help="ends after so many messages; 0: never")
    args = parser.parse_args()

    home = args.home or args.cluster
    tls = ssl.create_default_context(cafile=f"{args.folder}/ca.crt")
    identity = f"{args.folder}/{home}-sub-{args.name}"
    tls.load_cert_chain(f"{identity}.crt", f"{identity}.key")
    connection = await nats.connect(
        args.server, tls=tls, name=f"{home}:sub:{args.name}", inbox_prefix=f"_INBOX.{home}:sub:{args.name}",
        max_reconnect_attempts=-1)
    # Bound: the relay has made the consumer, and a subscriber may not ask about it.
    pull = await connection.jetstream().pull_subscribe_bind(args.consumer, f"TRIVIUM-EV-{args.cluster}")
    reader = Reader()
    taken = 0
    while not args.count or taken < args.count:
        try:
            messages = await pull.fetch(min(100, args.count - taken or 100), timeout=5)
        except NoMessages:
            continue
        for message in messages:
            for note in reader.take(message.metadata.sequence.stream, message.subject, json.loads(message.data)):
                print(note, flush=True)
            # Only now: what is acknowledged never comes again.
            await message.ack_sync()
            taken += 1
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
