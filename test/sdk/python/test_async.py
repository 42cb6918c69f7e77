"""The SDK's asynchronous clients have another transport and their own pollers."""

import asyncio
import os
import unittest

from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets.aio import SecretClient

from world import WORLD, TestCase, Token, fresh


class AsyncToken(Token):
    async def get_token(self, *scopes, **kwargs):
        return super().get_token(*scopes, **kwargs)


def client(vault):
    # aiohttp has no environment variable for this.
    return SecretClient(WORLD["vaults"][vault], AsyncToken(WORLD["tokens"][vault]), connection_verify=os.environ["REQUESTS_CA_BUNDLE"])


class Async(unittest.IsolatedAsyncioTestCase, TestCase):
    async def test_a_life(self):
        name = fresh("async")
        async with client("one") as one, client("two") as two:
            made = await asyncio.gather(*(one.set_secret(name, f"value {i}") for i in range(8)))
            for i, s in enumerate(made):
                self.same((await one.get_secret(name, s.properties.version)).value, f"value {i}", f"version {i}")
            versions = [p.version async for p in one.list_properties_of_secret_versions(name, max_page_size=3)]
            self.assertEqual(versions, sorted(s.properties.version for s in made))
            restored = await two.restore_secret_backup(await one.backup_secret(name))
            self.assertEqual(restored.version, (await one.get_secret(name)).properties.version)
            with self.assertRaises(ResourceNotFoundError):
                await one.get_secret(fresh("absent"))

    async def test_pollers(self):
        name = fresh("async")
        async with client("one") as one:
            await one.set_secret(name, "value")
            self.assertEqual((await one.delete_secret(name)).name, name)
            with self.assertRaises(ResourceNotFoundError):
                await one.get_secret(name)
            await one.recover_deleted_secret(name)
            self.same((await one.get_secret(name)).value, "value", "the recovered secret")
            await one.delete_secret(name)
            await one.purge_deleted_secret(name)
            with self.assertRaises(ResourceNotFoundError):
                await one.get_deleted_secret(name)
