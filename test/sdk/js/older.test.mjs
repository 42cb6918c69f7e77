// Clients that are no longer made and still run: they know the older token
// endpoint, and log in where the challenge sends them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SecretClient } from "@azure/keyvault-secrets";
import adal from "adal-node";
import { ClientSecretCredential, ManagedIdentityCredential } from "azure-identity-1";
import { fresh, same, world } from "./world.mjs";

const { AZURE_TENANT_ID: tenant, AZURE_AUTHORITY_HOST: authorityHost, AZURE_CLIENT_ID: id, AZURE_CLIENT_SECRET: secret } = process.env;
const url = (name) => `${world.vaults.one}/secrets/${name}?api-version=7.0`;

// challenge is what azure-keyvault hands to its authenticator.
async function challenge() {
  const answer = await fetch(url("x"));
  assert.equal(answer.status, 401);
  const [, authorization, resource] = /^Bearer authorization="([^"]*)", resource="([^"]*)"$/.exec(answer.headers.get("www-authenticate"));
  return { authorization, resource };
}

// acquire promises what adal-node calls back with. It validates an authority
// by a list of Microsoft's hosts, so that is off, as for every private one.
const acquire = (authority, resource, password = secret) => new Promise((resolve, reject) => {
  new adal.AuthenticationContext(authority, false)
    .acquireTokenWithClientCredentials(resource, id, password, (err, answer) => (err ? reject(Object.assign(err, { answer })) : resolve(answer)));
});

test("adal-node follows the challenge", async () => {
  const { authorization, resource } = await challenge();
  assert.equal(authorization, `${authorityHost}/${tenant}`);
  const name = fresh("adal");
  for (const asked of [resource, `${resource}/`]) {
    const { tokenType, accessToken, expiresOn, expiresIn, resource: granted } = await acquire(authorization, asked);
    assert.equal(tokenType, "Bearer");
    assert.equal(granted, resource);
    assert.ok(expiresIn > 3000 && expiresIn < 3601 && Math.abs(expiresOn - Date.now() - expiresIn * 1000) < 60_000);
    const headers = { authorization: `${tokenType} ${accessToken}`, "content-type": "application/json" };
    assert.equal((await fetch(url(name), { method: "PUT", headers, body: JSON.stringify({ value: asked }) })).status, 200);
    same((await (await fetch(url(name), { headers })).json()).value, asked, "what was set");
  }
});

test("adal-node tells why it was refused", async () => {
  const { authorization, resource } = await challenge();
  await assert.rejects(acquire(authorization, resource, "wrong"), (err) => {
    assert.equal(err.answer.error, "invalid_client");
    assert.match(err.answer.error_description, /^AADSTS7000215: .*\r\nTrace ID: .*\r\nCorrelation ID: .*\r\nTimestamp: /);
    return true;
  });
  await assert.rejects(acquire(`${authorityHost}/11111111-2222-3333-4444-555555555555`, resource), /the tenant id adfs/);
});

test("@azure/identity 1 reads and writes", async () => {
  const name = fresh("identity-1");
  for (const host of [authorityHost, `${authorityHost}/`]) {
    const c = new SecretClient(world.vaults.one, new ClientSecretCredential(tenant, id, secret, { authorityHost: host }));
    await c.setSecret(name, host);
    same((await c.getSecret(name)).value, host, "what was set");
  }
  const wrong = new ClientSecretCredential(tenant, id, "wrong", { authorityHost });
  await assert.rejects(wrong.getToken("https://vault.localhost/.default"), /AADSTS7000215/);
});

test("@azure/identity 1 has a managed identity by MSI_ENDPOINT and MSI_SECRET", async () => {
  process.env.MSI_ENDPOINT = world.identity.IDENTITY_ENDPOINT;
  process.env.MSI_SECRET = world.identity.IDENTITY_HEADER;
  const name = fresh("msi-1");
  for (const credential of [new ManagedIdentityCredential(), new ManagedIdentityCredential(world.identity.client)]) {
    const c = new SecretClient(world.vaults.one, credential);
    await c.setSecret(name, "value");
    same((await c.getSecret(name)).value, "value", "what was set");
  }
  const { resource } = await challenge();
  const left = (await new ManagedIdentityCredential().getToken(`${resource}/.default`)).expiresOnTimestamp - Date.now();
  assert.ok(left > 50 * 60_000 && left <= 3_600_000, `it lives for ${left} ms`);
  await assert.rejects(new ManagedIdentityCredential("another").getToken(`${resource}/.default`), /400|identity/i);
});
