"""Programs log in with nothing but their environment: AZURE_TENANT_ID,
AZURE_AUTHORITY_HOST, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."""

import os

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential, EnvironmentCredential
from azure.keyvault.secrets import SecretClient

from world import WORLD, TestCase, fresh

TENANT, ID, SECRET = (os.environ[f"AZURE_{n}"] for n in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))


class Login(TestCase):
    def test_credentials(self):
        for credential in (DefaultAzureCredential(), EnvironmentCredential(), ClientSecretCredential(TENANT, ID, SECRET)):
            with self.subTest(type(credential).__name__):
                name, c = fresh("login"), SecretClient(WORLD["vaults"]["one"], credential)
                c.set_secret(name, "value")
                self.same(c.get_secret(name).value, "value", "what was set")
                other = SecretClient(WORLD["vaults"]["two"], credential)
                other.restore_secret_backup(c.backup_secret(name))
                self.same(other.get_secret(name).value, "value", "what was restored")

    def test_a_wrong_secret(self):
        for args in ((TENANT, ID, "wrong"), (TENANT, "nobody", SECRET)):
            with self.assertRaisesRegex(ClientAuthenticationError, "AADSTS7000215"):
                SecretClient(WORLD["vaults"]["one"], ClientSecretCredential(*args)).get_secret("x")
