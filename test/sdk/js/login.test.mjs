// Programs log in with nothing but their environment: AZURE_TENANT_ID,
// AZURE_AUTHORITY_HOST, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientSecretCredential, DefaultAzureCredential, EnvironmentCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { fresh, same, world } from "./world.mjs";

const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: id, AZURE_CLIENT_SECRET: secret } = process.env;

for (const [kind, credential] of Object.entries({
  DefaultAzureCredential: () => new DefaultAzureCredential(),
  EnvironmentCredential: () => new EnvironmentCredential(),
  ClientSecretCredential: () => new ClientSecretCredential(tenant, id, secret),
})) {
  test(`${kind} reads and writes`, async () => {
    const name = fresh("login");
    const c = new SecretClient(world.vaults.one, credential());
    await c.setSecret(name, "value");
    same((await c.getSecret(name)).value, "value", "what was set");
    const other = new SecretClient(world.vaults.two, credential());
    await other.restoreSecretBackup(await c.backupSecret(name));
    same((await other.getSecret(name)).value, "value", "what was restored");
  });
}

test("a wrong secret is refused", async () => {
  for (const credential of [new ClientSecretCredential(tenant, id, "wrong"), new ClientSecretCredential(tenant, "nobody", secret)]) {
    await assert.rejects(new SecretClient(world.vaults.one, credential).getSecret("x"), {
      name: "AuthenticationRequiredError", message: /^invalid_client: .*AADSTS7000215/,
    });
  }
});
