"""Values come back as they went, up to the limit, and not one byte over."""

import base64
import json
import os

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from world import TestCase, fresh, one

LIMIT = 25_600
VALUES = {
    "empty": "",
    "spaces and line ends": " \t leading, trailing \r\n\n ",
    "quotes and escapes": "\"'\\/<>&\u0000\u001f\u007f",
    "separators of lines": "\u2028\u2029\u0085\ufeff",
    "Unicode, composed and not": "\u00e9 e\u0301 \ufb01 \u00df \u0130 \u0131 \u03a9 \u2126",
    "beyond the basic plane": "😀👩‍👩‍👧‍👦𝔘𠜎",
    "right to left": "שלום عليكم \u202e",
    "JSON": json.dumps({"user": "u", "password": "p", "n": 1e300}),
    "bytes as base64": base64.b64encode(os.urandom(1000)).decode(),
    "bytes as base64url": base64.urlsafe_b64encode(os.urandom(1000)).decode(),
    "the limit in ASCII": "x" * LIMIT,
    "the limit in two bytes": "é" * (LIMIT // 2),
    "the limit in four bytes": "😀" * (LIMIT // 4),
    "the limit in escapes": "\u0001" * LIMIT,
}


class Values(TestCase):
    def test_values(self):
        for what, value in VALUES.items():
            with self.subTest(what):
                name = fresh("value")
                made = one.set_secret(name, value, content_type="application/octet-stream;base64" if "bytes as" in what else None)
                self.same(made.value, value, "the answer to set")
                self.same(one.get_secret(name).value, value, "the current version")
                self.same(one.get_secret(name, made.properties.version).value, value, "by its id")

    def test_refused(self):
        for what, value in {
            "one byte over": "x" * (LIMIT + 1),
            "one character over, in two bytes": "é" * (LIMIT // 2 + 1),
            "half a character": "\ud800",
        }.items():
            with self.subTest(what):
                name = fresh("value")
                self.refused(HttpResponseError, 400, "BadParameter", one.set_secret, name, value)
                self.refused(ResourceNotFoundError, 404, "SecretNotFound", one.get_secret, name)
