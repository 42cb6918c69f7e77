// Attributes change after the fact; values and the other versions do not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { attributes, fresh, inTurns, one, refused, same, versionsOf } from "./world.mjs";

const expiresOn = new Date("2036-05-06T07:08:09Z");
const notBefore = new Date("2021-05-06T07:08:09Z");

async function pair(prefix) {
  const name = fresh(prefix);
  const options = { contentType: "before", tags: { a: "1", b: "2" } };
  const old = (await one.setSecret(name, "old", options)).properties;
  const current = (await one.setSecret(name, "current", options)).properties;
  return { name, old, current };
}

test("an update changes what it names, of the version it names", async () => {
  const { name, old, current } = await pair("update");
  const changed = await one.updateSecretProperties(name, old.version, { expiresOn, notBefore });
  assert.deepEqual(attributes(changed), { ...attributes(old), expiresOn: expiresOn.getTime(), notBefore: notBefore.getTime() });
  assert.ok(changed.updatedOn >= old.updatedOn);
  await one.updateSecretProperties(name, old.version, { contentType: "after" });
  const got = await one.getSecret(name, { version: old.version });
  same(got.value, "old", "the value after an update");
  assert.deepEqual(attributes(got.properties), { ...attributes(changed), contentType: "after" });
  assert.deepEqual((await versionsOf(one, name)).get(current.version), attributes(current));
});

test("without a version it is the current one", async () => {
  const { name, old, current } = await pair("current");
  const changed = await one.updateSecretProperties(name, "", { contentType: "after" });
  assert.equal(changed.version, current.version);
  assert.deepEqual((await versionsOf(one, name)).get(old.version), attributes(old));
});

test("tags are replaced as a whole", async () => {
  const { name, current } = await pair("tags");
  for (const tags of [{ c: "3" }, {}, { d: "4", e: "" }]) {
    const changed = await one.updateSecretProperties(name, current.version, { tags });
    assert.deepEqual(changed.tags, tags);
    assert.deepEqual((await one.getSecret(name)).properties.tags, tags);
  }
});

test("a disabled version is locked and can be enabled again", async () => {
  const { name, old, current } = await pair("enabled");
  await one.updateSecretProperties(name, current.version, { enabled: false });
  await refused(one.getSecret(name), 403, "Forbidden", /not allowed on a disabled secret/);
  await refused(one.getSecret(name, { version: current.version }), 403, "Forbidden");
  same((await one.getSecret(name, { version: old.version })).value, "old", "the other version");
  await one.updateSecretProperties(name, current.version, { tags: { still: "disabled" } });
  const back = await one.updateSecretProperties(name, current.version, { enabled: true });
  assert.deepEqual(back.tags, { still: "disabled" });
  same((await one.getSecret(name)).value, "current", "once it is enabled");
});

test("updates of different versions at once all hold", async () => {
  const name = fresh("at-once");
  const made = await inTurns(Array.from({ length: 10 }, (_, i) => () => one.setSecret(name, `v${i}`)));
  await inTurns(made.map((s, i) => () => one.updateSecretProperties(name, s.properties.version, { tags: { i: `${i}` } })));
  const versions = await versionsOf(one, name);
  made.forEach((s, i) => assert.deepEqual(versions.get(s.properties.version).tags, { i: `${i}` }));
});

test("what is absent cannot be updated", async () => {
  const { name } = await pair("absent");
  await refused(one.updateSecretProperties(fresh("absent"), "", { contentType: "x" }), 404, "SecretNotFound");
  await refused(one.updateSecretProperties(name, "0".repeat(32), { contentType: "x" }), 404, "SecretNotFound");
});
