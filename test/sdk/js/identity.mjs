// A program without a secret: its platform's token is in
// AZURE_FEDERATED_TOKEN_FILE, a key pair in TEST_KEY_FILE, and a token of a
// foreign issuer in TEST_BEARER. It prints a line for each proof that reads.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ClientAssertionCredential, ClientCertificateCredential, DefaultAzureCredential, WorkloadIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { client, fresh, same, world } from "./world.mjs";

const { AZURE_TENANT_ID: tenant, AZURE_FEDERATED_TOKEN_FILE: file, TEST_KEY_FILE: key, TEST_BEARER: bearer } = process.env;

for (const [kind, make] of Object.entries({
  WorkloadIdentityCredential: (url) => new SecretClient(url, new WorkloadIdentityCredential()),
  DefaultAzureCredential: (url) => new SecretClient(url, new DefaultAzureCredential()),
  ClientAssertionCredential: (url) => new SecretClient(url, new ClientAssertionCredential(tenant, "app", () => readFile(file, "utf8"))),
  ClientCertificateCredential: (url) => new SecretClient(url, new ClientCertificateCredential(tenant, "signer", key)),
  "a foreign issuer's token": () => client("one", {}, bearer),
})) {
  const c = make(world.vaults.one);
  const name = fresh("identity");
  await c.setSecret(name, "value");
  same((await c.getSecret(name)).value, "value", "what was set");
  console.log(`${kind} reads`);
}

const nobody = new ClientAssertionCredential(tenant, "app", async () => bearer); // it is for another audience
await assert.rejects(new SecretClient(world.vaults.one, nobody).getSecret("x"), { name: "AuthenticationRequiredError", message: /AADSTS700212/ });
