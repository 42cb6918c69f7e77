// A backup moves a secret with its whole history to another vault.
import assert from "node:assert/strict";
import { test } from "node:test";
import { attributes, fresh, one, refused, same, two, versionsOf, world } from "./world.mjs";

const options = [
  { contentType: "text/plain", tags: { a: "1" } },
  { notBefore: new Date("2020-01-02T03:04:05Z"), expiresOn: new Date("2037-01-02T03:04:05Z") },
  {},
  { tags: { b: "2", c: "" } },
];
const value = (i) => `value ${i} é😀 `.repeat(i + 1);

async function secretOf(prefix, count) {
  const name = fresh(prefix);
  const made = [];
  for (let i = 0; i < count; i++) made.push((await one.setSecret(name, value(i), options[i % options.length])).properties);
  return { name, made };
}

test("a backup is restored whole", async () => {
  const { name, made } = await secretOf("backup", 6);
  const blob = await one.backupSecret(name);
  assert.equal(blob[0], 0x29, "a blob begins with its prefix's length");
  const restored = await two.restoreSecretBackup(blob);
  assert.deepEqual(attributes(restored), attributes(made.at(-1)));
  assert.equal(restored.vaultUrl, world.vaults.two);
  assert.equal(restored.id, `${world.vaults.two}/secrets/${name}/${made.at(-1).version}`);
  assert.equal(restored.updatedOn.getTime(), made.at(-1).updatedOn.getTime());
  assert.deepEqual(await versionsOf(two, name), await versionsOf(one, name));
  for (const [i, p] of made.entries()) {
    const got = await two.getSecret(name, { version: p.version });
    same(got.value, value(i), `version ${i}`);
    assert.deepEqual(attributes(got.properties), attributes(p));
  }
  same((await two.getSecret(name)).value, value(5), "the current version");
  await two.setSecret(name, "goes on");
  assert.equal((await versionsOf(two, name)).size, 7);
});

test("a long history of the largest values", async () => {
  const name = fresh("large");
  const large = (i) => `${10 + i}${"é".repeat(12_799)}`; // 25,600 bytes
  const count = Math.min(40, world.limits.versions);
  for (let i = 0; i < count; i++) await one.setSecret(name, large(i));
  await two.restoreSecretBackup(await one.backupSecret(name));
  const [left, arrived] = [await versionsOf(one, name), await versionsOf(two, name)];
  assert.equal(left.size, count);
  assert.deepEqual(arrived, left);
  same((await two.getSecret(name)).value, large(count - 1), "the current version");
});

test("a name in use is refused and left alone", async () => {
  const { name, made } = await secretOf("taken", 2);
  const blob = await one.backupSecret(name);
  await refused(one.restoreSecretBackup(blob), 409, "Conflict", /^There was a conflict restoring the secret/);
  await two.setSecret(name, "mine");
  await refused(two.restoreSecretBackup(blob), 409, "Conflict", new RegExp(`${world.vaults.two}/secrets/${name}`));
  same((await two.getSecret(name)).value, "mine", "what stood there");
  assert.equal((await versionsOf(one, name)).size, made.length);
});

test("a blob that was touched is refused", async () => {
  const { name } = await secretOf("touched", 1);
  const blob = await one.backupSecret(name);
  for (const at of [0, 30, blob.length >> 1, blob.length - 1]) {
    const broken = Uint8Array.from(blob);
    broken[at] ^= 1;
    await refused(two.restoreSecretBackup(broken), 400, "Malformed backup blob");
  }
  await refused(two.restoreSecretBackup(blob.subarray(0, -1)), 400, "Malformed backup blob");
  await refused(two.getSecret(name), 404, "SecretNotFound");
});

test("no version comes back enabled that was not", async () => {
  const name = fresh("off");
  const off = await one.setSecret(name, "was disabled", { enabled: false });
  await one.setSecret(name, "is enabled");
  const move = async () => two.restoreSecretBackup(await one.backupSecret(name));
  if (!world.can.keepDisabled) {
    await refused(move(), 400, "BadParameter", /^this would lose data/);
    return;
  }
  await move();
  await refused(two.getSecret(name, { version: off.properties.version }), 403, "Forbidden");
  same((await two.getSecret(name)).value, "is enabled", "the current version");
});
