"""Programs on the gateway's machine have a managed identity, as in App Service:
IDENTITY_ENDPOINT and IDENTITY_HEADER."""

import os
import time
from unittest import mock
from urllib.parse import urlsplit

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from world import WORLD, TestCase, fresh

IDENTITY = WORLD["identity"]
ENVIRONMENT = {n: IDENTITY[n] for n in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}


@mock.patch.dict(os.environ, ENVIRONMENT)
class Identity(TestCase):
    def test_identities(self):
        for make in (
            ManagedIdentityCredential,
            lambda: ManagedIdentityCredential(client_id=IDENTITY["client"]),
            lambda: DefaultAzureCredential(exclude_environment_credential=True),
        ):
            name, c = fresh("identity"), SecretClient(WORLD["vaults"]["one"], make())
            c.set_secret(name, "value")
            self.same(c.get_secret(name).value, "value", "what was set")

    def test_another_identity(self):
        other = ManagedIdentityCredential(client_id="another")
        with self.assertRaises((ClientAuthenticationError, HttpResponseError)):
            SecretClient(WORLD["vaults"]["one"], other).get_secret("x")

    def test_a_wrong_header(self):
        with mock.patch.dict(os.environ, {"IDENTITY_HEADER": "wrong"}):
            with self.assertRaises(ClientAuthenticationError):
                SecretClient(WORLD["vaults"]["one"], ManagedIdentityCredential()).get_secret("x")

    def test_its_life(self):
        resource = "https://" + urlsplit(WORLD["vaults"]["one"]).netloc.split(".", 1)[1]
        token = ManagedIdentityCredential().get_token(resource + "/.default")
        left = token.expires_on - time.time()
        self.assertTrue(3000 < left <= 3600, f"it lives for {left} s")
