"""A program without a secret: its platform's token is in
AZURE_FEDERATED_TOKEN_FILE, a key pair in TEST_KEY_FILE, and a token of a
foreign issuer in TEST_BEARER. It prints a line for each proof that reads."""

import os
import unittest

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential
from azure.keyvault.secrets import SecretClient

from world import WORLD, TestCase, Token, fresh

TENANT, FILE = (os.environ[n] for n in ("AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"))
KEY, BEARER = (os.environ[n] for n in ("TEST_KEY_FILE", "TEST_BEARER"))


def federated():
    with open(FILE, encoding="ascii") as f:
        return f.read()


class Identity(TestCase):
    def test_proofs(self):
        for kind, credential in {
            "ClientAssertionCredential": ClientAssertionCredential(TENANT, "app", federated),
            "CertificateCredential": CertificateCredential(TENANT, "signer", KEY),
            "a foreign issuer's token": Token(BEARER),
        }.items():
            with self.subTest(kind):
                name, c = fresh("identity"), SecretClient(WORLD["vaults"]["one"], credential)
                c.set_secret(name, "value")
                self.same(c.get_secret(name).value, "value", "what was set")
                print(kind, "reads", flush=True)

    def test_another_audience(self):
        credential = ClientAssertionCredential(TENANT, "app", lambda: BEARER)
        with self.assertRaisesRegex(ClientAuthenticationError, "AADSTS700212"):
            SecretClient(WORLD["vaults"]["one"], credential).get_secret("x")


if __name__ == "__main__":
    unittest.main()
