// Every error arrives as the SDK's own type, with the service's status and code.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { all, client, fresh, innerCode, one, refused } from "./world.mjs";

const once = { retryOptions: { maxRetries: 0 } };

test("absent", async () => {
  const name = fresh("absent");
  const said = /^A secret with \(name\/id\) \S+ was not found in this key vault/;
  await refused(one.getSecret(name), 404, "SecretNotFound", said);
  await refused(one.backupSecret(name), 404, "SecretNotFound", said);
});

test("an absent version of a secret that exists", async () => {
  const name = fresh("present");
  await one.setSecret(name, "value");
  await refused(one.getSecret(name, { version: "0".repeat(32) }), 404, "SecretNotFound");
});

test("disabled", async () => {
  const name = fresh("disabled");
  const set = await one.setSecret(name, "value", { enabled: false });
  const err = await refused(one.getSecret(name), 403, "Forbidden", /Operation get is not allowed on a disabled secret/);
  assert.equal(innerCode(err), "SecretDisabled");
  await refused(one.getSecret(name, { version: set.properties.version }), 403, "Forbidden");
});

for (const name of ["under_score", "dot.dot", "sp ace", "slash/inside", "ü", "x".repeat(128)]) {
  test(`a name that is none: ${name.slice(0, 12)}`, async () => {
    await refused(one.setSecret(name, "value"), 400, "BadParameter");
  });
}

test("no name at all", async () => {
  await refused(one.setSecret("", "value"), 405, "MethodNotAllowed", /HTTP PUT not allowed/);
});

test("limits of tags and content type", async () => {
  const tags = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`t${i}`, "v"]));
  await one.setSecret(fresh("fits"), "value", { contentType: "c".repeat(255), tags: tags(15) });
  await one.setSecret(fresh("long"), "value", { tags: { ["k".repeat(512)]: "v".repeat(512) } });
  for (const options of [{ contentType: "c".repeat(256) }, { tags: tags(16) }, { tags: { ["k".repeat(513)]: "" } }, { tags: { k: "v".repeat(513) } }]) {
    await refused(one.setSecret(fresh("over"), "value", options), 400, "BadParameter");
  }
});

test("no permission", async () => {
  const c = client("listed");
  assert.deepEqual(await all(c.listPropertiesOfSecrets()), []);
  for (const call of [() => c.getSecret("x"), () => c.setSecret("x", "y"), () => c.backupSecret("x")]) {
    const err = await refused(call(), 403, "Forbidden", /does not have secrets (get|set|backup) permission on key vault 'listed/);
    assert.equal(innerCode(err), "ForbiddenByPolicy");
  }
});

test("a vault that may only be read", async () => {
  await refused(client("readonly").setSecret("x", "y"), 403, "Forbidden");
});

test("a vault that is none", async () => {
  await refused(client("nowhere").getSecret("x"), 403, "Forbidden");
});

test("an expiry that this SDK wraps to below zero", async () => {
  // as the service is reported to take it; CSMS holds nothing before 1970
  const name = fresh("wrapped");
  const set = one.setSecret(name, "value", { expiresOn: new Date("2045-01-02T03:04:05Z") });
  const made = await set.catch(() => null);
  if (made === null) return refused(set, 400, "BadParameter", /from 1970 to 2286/);
  const wrapped = new Date((2366939045 | 0) * 1000); // 1908
  assert.equal(made.properties.expiresOn.getTime(), wrapped.getTime());
  assert.equal((await one.getSecret(name)).properties.expiresOn.getTime(), wrapped.getTime());
});

test("a token that is none, and one too often", async () => {
  const c = client("one", once, randomUUID());
  await refused(c.getSecret("x"), 401, "Unauthorized", /AKV10046/);
  let err;
  for (let i = 0; i < 5 && err?.statusCode !== 429; i++) err = await c.getSecret("x").catch((e) => e);
  await refused(Promise.reject(err), 429, "Throttled");
  assert.equal(err.response.headers.get("retry-after"), undefined); // the SDK would wait it out
});

test("a backup that is none", async () => {
  for (const blob of [Buffer.from("no backup at all"), Buffer.alloc(5000), Buffer.alloc(0)]) {
    await refused(one.restoreSecretBackup(blob), 400, "Malformed backup blob", /^Backup blob /);
  }
});

test("a challenge from a foreign domain is not followed", async () => {
  await assert.rejects(client("foreign").getSecret("x"), /does not match the requested domain/);
});
