// Many writers at once: nothing is lost, nothing is mixed up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isRestError } from "@azure/keyvault-secrets";
import { client, fresh, one, same, versionsOf } from "./world.mjs";

const writers = 16;

test("each write of one name becomes a version", async () => {
  const name = fresh("writers");
  const values = Array.from({ length: writers }, (_, i) => `value of writer ${i}`);
  const made = await Promise.all(values.map((v, i) => client("one").setSecret(name, v, { tags: { i: `${i}` } })));
  const versions = await versionsOf(one, name);
  assert.equal(versions.size, writers);
  for (const [i, s] of made.entries()) {
    const got = await one.getSecret(name, { version: s.properties.version });
    same(got.value, values[i], `what writer ${i} wrote`);
    assert.deepEqual(got.properties.tags, { i: `${i}` });
  }
  const current = await one.getSecret(name);
  same(current.value, values[current.properties.tags.i], "the current version");
});

test("readers see whole versions while writers write", async () => {
  const name = fresh("readers");
  const value = (i) => `${i}:`.padEnd(5000, `${i % 10}`);
  await one.setSecret(name, value(0), { tags: { i: "0" } });
  const write = async () => {
    for (let i = 1; i <= 10; i++) await one.setSecret(name, value(i), { tags: { i: `${i}` } });
  };
  const read = async () => {
    for (let seen = 0, n = 0; n < 20; n++) {
      const got = await one.getSecret(name);
      const i = Number(got.properties.tags.i);
      same(got.value, value(i), `version ${i}`);
      assert.ok(i >= seen, `version ${i} after ${seen}`);
      seen = i;
    }
  };
  await Promise.all([write(), read(), read(), read()]);
});

test("writes, deletions and recoveries at once leave one state", async () => {
  const name = fresh("torn");
  await one.setSecret(name, "value");
  const jobs = [
    () => one.setSecret(name, "value"),
    // No wait for a poller: one whose end another undoes asks for ever.
    () => one.beginDeleteSecret(name),
    () => one.beginRecoverDeletedSecret(name),
    () => one.backupSecret(name),
  ];
  const ends = await Promise.allSettled(Array.from({ length: 24 }, (_, i) => jobs[i % jobs.length]()));
  for (const { reason } of ends.filter((e) => e.status === "rejected")) {
    assert.ok(isRestError(reason) && [404, 409].includes(reason.statusCode), `${reason.name} ${reason.statusCode}: ${reason.message}`);
  }
  const found = await Promise.allSettled([one.getSecret(name), one.getDeletedSecret(name)]);
  assert.equal(found.filter((f) => f.status === "fulfilled").length, 1, "the secret is nowhere, or in two places");
});
