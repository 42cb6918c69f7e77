"""What every test shares: clients of the vaults that WORLD names, and checks
that never print a value."""

import json
import os
import time
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor

from azure.core.credentials import AccessToken
from azure.keyvault.secrets import SecretClient

# vaults: URLs by role; tokens for each; can: what the product behind does that others do not;
# limits: versions of a secret, days of retention.
WORLD = json.loads(os.environ["WORLD"])
CAN = WORLD["can"]
DAYS = WORLD["limits"]["days"]


def at_most(count):
    """As many versions, or as the product holds of a secret."""
    return min(count, WORLD["limits"]["versions"])


class Token:
    """A credential that has its token already."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.token, int(time.time()) + 3600)


def client(vault, token=None, **kwargs):
    """Leaves the verification of the challenge on, as it is by default."""
    return SecretClient(WORLD["vaults"][vault], Token(token or WORLD["tokens"][vault]), **kwargs)


one = client("one")
two = client("two")


def fresh(prefix):
    return f"{prefix}-{uuid.uuid4()}"


def in_turns(function, items, width=8):
    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(function, items))


def attributes(p):
    """What a version keeps wherever it goes."""
    return (p.version, p.enabled, p.content_type, p.tags, p.not_before, p.expires_on, p.created_on)


def versions_of(c, name):
    return {p.version: attributes(p) for p in c.list_properties_of_secret_versions(name)}


def inner_code(error):
    """The code that tells the reasons of one status apart."""
    return (json.loads(error.response.text())["error"].get("innererror") or {}).get("code")


class TestCase(unittest.TestCase):
    def same(self, got, want, what):
        if got != want:
            self.fail(f"{what}: {len(got or '')} characters are not the {len(want)} expected")

    def refused(self, kind, status, code, call, *args, message=".", **kwargs):
        """The SDK maps the answer to exactly this type, status and code."""
        with self.assertRaisesRegex(kind, message) as raised:
            call(*args, **kwargs)
        error = raised.exception
        self.assertIs(type(error), kind)
        self.assertEqual((error.status_code, error.error.code), (status, code))
        return error
