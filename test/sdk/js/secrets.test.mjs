// A secret's life: set, get by every spelling, old versions, lists.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKeyVaultSecretIdentifier } from "@azure/keyvault-secrets";
import { all, attributes, client, fresh, one, same, versionsOf, world } from "./world.mjs";

const notBefore = new Date("2020-01-02T03:04:05Z");
const expiresOn = new Date("2037-01-02T03:04:05Z"); // this SDK wraps what comes after 2038 to below zero

test("a version keeps what it was set with", async () => {
  const name = fresh("set");
  const start = Math.floor(Date.now() / 1000) * 1000;
  const tags = { team: "payments", "a b": "ä/ö" };
  const set = await one.setSecret(name, "first", { contentType: "text/plain", tags, notBefore, expiresOn });
  same(set.value, "first", "the answer to set");
  const got = await one.getSecret(name);
  same(got.value, "first", "the current version");
  assert.deepEqual(got.properties, set.properties);
  const p = got.properties;
  assert.match(p.version, /^[0-9a-f]{32}$/);
  assert.equal(p.id, `${world.vaults.one}/secrets/${name}/${p.version}`);
  assert.deepEqual(parseKeyVaultSecretIdentifier(p.id), {
    sourceId: p.id, vaultUrl: world.vaults.one, version: p.version, name,
  });
  assert.equal(p.vaultUrl, world.vaults.one);
  assert.deepEqual(attributes(p), {
    version: p.version, enabled: true, contentType: "text/plain", tags,
    notBefore: notBefore.getTime(), expiresOn: expiresOn.getTime(), createdOn: p.createdOn.getTime(),
  });
  assert.ok(p.createdOn >= start && p.createdOn <= Date.now() && p.updatedOn >= p.createdOn);
  assert.equal(p.recoveryLevel, world.limits.days === 90 ? "Recoverable+Purgeable" : "CustomizedRecoverable+Purgeable");
  assert.equal(p.recoverableDays, world.limits.days);
});

test("old versions stay as they were", async () => {
  const name = fresh("versions");
  const first = await one.setSecret(name, "first", { tags: { a: "1" }, contentType: "x" });
  const second = await one.setSecret(name, "second");
  assert.notEqual(first.properties.version, second.properties.version);
  assert.equal(second.properties.tags, undefined);
  assert.equal(second.properties.contentType, undefined);
  same((await one.getSecret(name)).value, "second", "the current version");
  const old = await one.getSecret(name, { version: first.properties.version });
  same(old.value, "first", "the old version");
  assert.deepEqual(attributes(old.properties), attributes(first.properties));
  const listed = await versionsOf(one, name);
  assert.deepEqual(listed.get(first.properties.version), attributes(first.properties));
  assert.deepEqual(listed.get(second.properties.version), attributes(second.properties));
  assert.equal(listed.size, 2);
});

test("names ignore case", async () => {
  const name = fresh("Case");
  await one.setSecret(name, "first");
  same((await one.getSecret(name.toUpperCase())).value, "first", "in capitals");
  await one.setSecret(name.toLowerCase(), "second");
  same((await one.getSecret(name)).value, "second", "as it was spelled");
  const listed = (await all(one.listPropertiesOfSecrets())).filter((p) => p.name.toLowerCase() === name.toLowerCase());
  assert.equal(listed.length, 1);
});

test("a list shows properties alone", async () => {
  const name = fresh("listed");
  await one.setSecret(name, "hidden", { enabled: false, contentType: "y", tags: { b: "2" } });
  const [found] = (await all(one.listPropertiesOfSecrets())).filter((p) => p.name === name);
  assert.deepEqual([found.id, found.version, found.enabled, found.contentType, found.tags],
    [`${world.vaults.one}/secrets/${name}`, undefined, false, "y", { b: "2" }]);
  assert.ok(!JSON.stringify(found).includes("hidden"), "a list shows a value");
});

test("versions of a name that nobody set: none", async () => {
  assert.deepEqual(await all(one.listPropertiesOfSecretVersions(fresh("absent"))), []);
});

for (const serviceVersion of ["7.0", "7.1", "7.6", "2025-07-01", "2026-04-01"]) {
  test(`api version ${serviceVersion}`, async () => {
    const c = client("one", { serviceVersion });
    const name = fresh("api");
    await c.setSecret(name, "value");
    const got = await c.getSecret(name);
    same(got.value, "value", "what was set");
    assert.equal(got.properties.recoverableDays, serviceVersion === "7.0" ? undefined : world.limits.days);
  });
}
