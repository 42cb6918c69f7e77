"""Clients of a fleet, for internal/fleet: each line of the input is a call, and
each line of the output what came of it. Each lane has a client and a token of
its own, and makes one call at a time, with the retries that the SDK has by
itself."""

import json
import os
import sys
import threading
import time
from queue import Queue

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.keyvault.secrets import SecretClient

WORLD = json.loads(os.environ["WORLD"])
METHODS = {"put": "PUT", "get": "GET", "delete": "DELETE", "recover": "POST", "purge": "DELETE"}
OUTPUT = threading.Lock()


def say(line):
    with OUTPUT:
        print(line, flush=True)


class Token:
    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.token, int(time.time()) + 3600)


class Lane(SansIOHTTPPolicy):
    """Notes how often the request of a call is sent, and the id of its last
    answer. What only asks for a challenge has no token yet."""

    def __init__(self, number, token):
        self.number, self.method, self.said, self.todo = number, "", {}, Queue()
        self.client = SecretClient(WORLD["url"], Token(token), per_retry_policies=[self])
        threading.Thread(target=self.work, daemon=True).start()

    def counts(self, request):
        return request.http_request.method == self.method and "Authorization" in request.http_request.headers

    def on_request(self, request):
        if self.counts(request):
            self.said["tries"] += 1

    def on_response(self, request, response):
        if self.counts(request):
            self.said["request"] = response.http_response.headers.get("x-ms-request-id")

    def work(self):
        while True:
            call = self.todo.get()
            self.method, self.said = METHODS[call["verb"]], {"lane": self.number, "tries": 0}
            try:
                self.call(call["verb"], call["name"], call.get("value"))
            except Exception as e:  # whatever the SDK lets through is told
                self.said["error"] = f"{type(e).__name__}: {e}"
                self.said["status"] = getattr(e, "status_code", None)
            say(json.dumps(self.said))

    def call(self, verb, name, value):
        # No wait for a poller: one whose end another undoes asks for ever.
        if verb == "put":
            self.client.set_secret(name, value)
        elif verb == "get":
            self.said["value"] = self.client.get_secret(name).value
        elif verb == "delete":
            self.client.begin_delete_secret(name)
        elif verb == "recover":
            self.client.begin_recover_deleted_secret(name)
        elif verb == "purge":
            self.client.purge_deleted_secret(name)
        else:
            raise ValueError(verb)


lanes = [Lane(i, token) for i, token in enumerate(WORLD["tokens"])]
say("ready")
for line in sys.stdin:
    call = json.loads(line)
    lanes[call["lane"]].todo.put(call)
