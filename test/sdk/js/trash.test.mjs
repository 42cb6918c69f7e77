// Deleted secrets can be recovered until they are purged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, attributes, client, fresh, innerCode, inTurns, one, refused, same, two, versionsOf, world } from "./world.mjs";

const day = 86_400_000;

async function secretOf(c, prefix, count = 3) {
  const name = fresh(prefix);
  const made = [];
  for (let i = 0; i < count; i++) made.push((await c.setSecret(name, `value ${i}`, { tags: { i: `${i}` } })).properties);
  return { name, made };
}

const remove = async (c, name) => (await c.beginDeleteSecret(name)).pollUntilDone();
const recover = async (c, name) => (await c.beginRecoverDeletedSecret(name)).pollUntilDone();

test("a deleted secret is in the trash alone", async () => {
  const { name, made } = await secretOf(one, "deleted");
  const blob = await one.backupSecret(name);
  const start = Math.floor(Date.now() / 1000) * 1000;
  const deleted = await remove(one, name);
  assert.equal(deleted.name, name);
  const p = deleted.properties;
  assert.equal(p.version, made.at(-1).version);
  assert.equal(p.recoveryId, `${world.vaults.one}/deletedsecrets/${name}`);
  assert.ok(p.deletedOn >= start && p.deletedOn <= Date.now());
  assert.equal(p.scheduledPurgeDate - p.deletedOn, world.limits.days * day);
  const got = await one.getDeletedSecret(name);
  assert.deepEqual(got.properties, p);
  assert.equal(got.value, undefined);

  await refused(one.getSecret(name), 404, "SecretNotFound");
  await refused(one.getSecret(name, { version: made[0].version }), 404, "SecretNotFound");
  await refused(one.backupSecret(name), 404, "SecretNotFound");
  await refused(one.updateSecretProperties(name, "", { contentType: "x" }), 404, "SecretNotFound");
  await refused(one.beginDeleteSecret(name), 404, "SecretNotFound");
  const err = await refused(one.setSecret(name, "new"), 409, "Conflict", /deleted but recoverable state, and its name cannot be reused/);
  assert.equal(innerCode(err), "ObjectIsDeletedButRecoverable");
  await refused(one.restoreSecretBackup(blob), 409, "Conflict", /^There was a conflict restoring the secret/);
  assert.deepEqual(await all(one.listPropertiesOfSecretVersions(name)), []);
  assert.ok((await all(one.listPropertiesOfSecrets())).every((s) => s.name !== name));
  const [listed] = (await all(one.listDeletedSecrets())).filter((s) => s.name === name);
  assert.equal(listed.properties.recoveryId, p.recoveryId);
  assert.equal(+listed.properties.scheduledPurgeDate, +p.scheduledPurgeDate);
});

test("a recovered secret is as it was", async () => {
  const { name, made } = await secretOf(one, "recovered");
  const before = await versionsOf(one, name);
  await remove(one, name);
  const back = await recover(one, name);
  assert.deepEqual(attributes(back), attributes(made.at(-1)));
  assert.deepEqual(await versionsOf(one, name), before);
  for (const [i, p] of made.entries()) {
    const got = await one.getSecret(name, { version: p.version });
    same(got.value, `value ${i}`, `version ${i}`);
    assert.equal(got.properties.updatedOn.getTime(), p.updatedOn.getTime());
  }
  await refused(one.getDeletedSecret(name), 404, "SecretNotFound", /^Deleted Secret not found: /);
  await one.setSecret(name, "goes on");
  assert.equal((await versionsOf(one, name)).size, made.length + 1);
});

test("a purged name is free", async () => {
  const { name, made } = await secretOf(one, "purged");
  const blob = await one.backupSecret(name);
  await remove(one, name);
  await one.purgeDeletedSecret(name);
  await refused(one.getDeletedSecret(name), 404, "SecretNotFound");
  await refused(one.purgeDeletedSecret(name), 404, "SecretNotFound");
  await one.setSecret(name, "new");
  assert.equal((await versionsOf(one, name)).size, 1);
  await refused(one.getSecret(name, { version: made[0].version }), 404, "SecretNotFound");
  await remove(one, name);
  await one.purgeDeletedSecret(name);
  await one.restoreSecretBackup(blob);
  assert.equal((await versionsOf(one, name)).size, made.length);
  same((await one.getSecret(name)).value, "value 2", "the restored secret");
});

test("what is absent", async () => {
  const name = fresh("absent");
  await refused(one.beginDeleteSecret(name), 404, "SecretNotFound", /^A secret with \(name\/id\) /);
  await refused(one.getDeletedSecret(name), 404, "SecretNotFound", /^Deleted Secret not found: /);
  await refused(one.purgeDeletedSecret(name), 404, "SecretNotFound");
  await refused(one.beginRecoverDeletedSecret(name), 404, "SecretNotFound");
});

test("a disabled secret is deleted and recovered disabled", async () => {
  const name = fresh("off");
  await one.setSecret(name, "value", { enabled: false });
  assert.equal((await remove(one, name)).properties.enabled, false);
  // This poller asks for the value to see whether the secret is back: 403
  // means that it is.
  await recover(one, name);
  await refused(one.getSecret(name), 403, "Forbidden");
  assert.deepEqual([...(await versionsOf(one, name)).values()].map((v) => v.enabled), [false]);
});

test("a vault with purge protection", async () => {
  const c = client("guarded");
  const { name } = await secretOf(c, "guarded");
  const deleted = await remove(c, name);
  assert.equal(deleted.properties.recoveryLevel, "CustomizedRecoverable");
  assert.equal(deleted.properties.recoverableDays, 7);
  const days = world.can.ownRetention ? 90 : 7; // a vault behind the gateway decides for itself
  assert.equal(deleted.properties.scheduledPurgeDate - deleted.properties.deletedOn, days * day);
  await refused(c.purgeDeletedSecret(name), 403, "Forbidden", /purge protection is enabled/);
  await recover(c, name);
  same((await c.getSecret(name)).value, "value 2", "the recovered secret");
});

test("lists of deleted secrets, and a page whose last item goes", async () => {
  const prefix = fresh("page");
  const names = Array.from({ length: 30 }, (_, i) => `${prefix}-${10 + i}`);
  await inTurns(names.map((n) => () => two.setSecret(n, "value")));
  const mine = (items) => items.map((s) => s.name).filter((n) => n.startsWith(prefix));
  const pages = two.listPropertiesOfSecrets().byPage({ maxPageSize: 7 });
  const walked = [];
  for await (const page of pages) {
    walked.push(...page);
    if (mine(page).length > 0) await remove(two, mine(page).at(-1));
  }
  assert.deepEqual(mine(walked), names);
  await inTurns(mine(await all(two.listPropertiesOfSecrets())).map((n) => () => remove(two, n)));
  for (const maxPageSize of [undefined, 4, 25]) {
    const found = await all(two.listDeletedSecrets().byPage({ maxPageSize }));
    assert.ok(found.every((p) => p.length <= (maxPageSize ?? 25)));
    assert.deepEqual(mine(found.flat()), names);
  }
});
