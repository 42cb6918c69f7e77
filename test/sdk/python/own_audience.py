"""A program with a managed identity of Azure's, at a gateway whose audience is its
own. It prints a line when it has read."""

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from world import WORLD, fresh

name, c = fresh("own"), SecretClient(WORLD["vaults"]["one"], ManagedIdentityCredential(client_id="c"))
c.set_secret(name, "value")
if c.get_secret(name).value == "value":
    print("ManagedIdentityCredential reads")
