// Lists arrive in pages, whole and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, fresh, inTurns, one, world } from "./world.mjs";

const count = 60;
const numbers = Array.from({ length: count }, (_, i) => i);

// inPages checks the pages' sizes, and that they hold what the plain iterator
// yields.
async function inPages(list, maxPageSize) {
  const pages = await all(list().byPage({ maxPageSize }));
  assert.ok(pages.every((p) => p.length <= (maxPageSize ?? 25)), `pages of ${pages.map((p) => p.length)}`);
  const items = pages.flat();
  assert.deepEqual(items.map((p) => p.id), (await all(list())).map((p) => p.id));
  return { pages, items };
}

const sorted = (items, key) => items.every((p, i) => i === 0 || key(items[i - 1]) < key(p));

test("60 secrets", async () => {
  const prefix = fresh("many");
  await inTurns(numbers.map((i) => () => one.setSecret(`${prefix}-${i}`, `${i}`)));
  for (const size of [undefined, 1, 7, 25]) {
    const { pages, items } = await inPages(() => one.listPropertiesOfSecrets(), size);
    const mine = items.filter((p) => p.name.startsWith(prefix));
    assert.equal(mine.length, count, `in pages of ${size}`);
    assert.equal(new Set(mine.map((p) => p.id)).size, count);
    assert.ok(sorted(mine, (p) => p.name.toUpperCase()), "not sorted");
    assert.ok(pages.length >= count / (size ?? 25));
  }
});

test("60 versions, or as many as the product holds", async () => {
  const name = fresh("versions");
  const made = [];
  const count = Math.min(numbers.length, world.limits.versions);
  for (const i of numbers.slice(0, count)) made.push((await one.setSecret(name, `value ${i}`)).properties.version);
  for (const size of [undefined, 1, 7, 25]) {
    const { pages, items } = await inPages(() => one.listPropertiesOfSecretVersions(name), size);
    assert.deepEqual(items.map((p) => p.version).sort(), [...made].sort());
    assert.ok(sorted(items, (p) => p.version), "not sorted");
    assert.ok(pages.length >= count / (size ?? 25));
  }
  const values = await inTurns(made.map((version) => async () => (await one.getSecret(name, { version })).value));
  values.forEach((v, i) => assert.ok(v === `value ${i}`, `version ${i} has another value`));
});

for (const maxPageSize of [26, 1000]) {
  test(`maxresults=${maxPageSize} is refused`, async () => {
    await assert.rejects(all(one.listPropertiesOfSecrets().byPage({ maxPageSize })), { statusCode: 400, code: "BadParameter" });
  });
}
