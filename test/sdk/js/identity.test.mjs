// Programs on the gateway's machine have a managed identity, as in App Service:
// IDENTITY_ENDPOINT and IDENTITY_HEADER.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { fresh, same, world } from "./world.mjs";

process.env.IDENTITY_ENDPOINT = world.identity.IDENTITY_ENDPOINT;
process.env.IDENTITY_HEADER = world.identity.IDENTITY_HEADER;

for (const [kind, credential] of Object.entries({
  "of the system": () => new ManagedIdentityCredential(),
  "of a client id": () => new ManagedIdentityCredential({ clientId: world.identity.client }),
})) {
  test(`an identity ${kind} reads and writes`, async () => {
    const name = fresh("identity");
    const c = new SecretClient(world.vaults.one, credential());
    await c.setSecret(name, "value");
    same((await c.getSecret(name)).value, "value", "what was set");
  });
}

test("another identity is refused", async () => {
  const other = new ManagedIdentityCredential({ clientId: "another" });
  await assert.rejects(new SecretClient(world.vaults.one, other).getSecret("x"), /400|identity/i);
});

test("a token says when it ends, and what it is for", async () => {
  const resource = `https://${new URL(world.vaults.one).host.split(".").slice(1).join(".")}`;
  const token = await new ManagedIdentityCredential().getToken(`${resource}/.default`);
  const left = token.expiresOnTimestamp - Date.now();
  assert.ok(left > 50 * 60_000 && left <= 3_600_000, `it lives for ${left} ms`);
});
