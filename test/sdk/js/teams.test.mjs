// Hosts of one pattern: each is a vault of its own, though all share a store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, client, fresh, inTurns, refused, same, versionsOf, world } from "./world.mjs";

const names = async (list) => (await all(list)).map((p) => p.name);

test("teams share a store and see nothing of each other", async () => {
  const red = client("red"), blue = client("blue");
  const name = fresh("shared"), own = fresh("own");
  await red.setSecret(name, "of red");
  await blue.setSecret(name, "of blue");
  const made = await red.setSecret(own, "red alone", { tags: { a: "1" } });
  assert.equal(made.properties.id, `${world.vaults.red}/secrets/${own}/${made.properties.version}`);
  same((await red.getSecret(name)).value, "of red", "what red set");
  same((await blue.getSecret(name)).value, "of blue", "what blue set");
  await refused(blue.getSecret(own), 404, "SecretNotFound");
  await refused(blue.getSecret(own, { version: made.properties.version }), 404, "SecretNotFound");
  assert.deepEqual(await names(red.listPropertiesOfSecrets()), [name, own].sort());
  assert.deepEqual(await names(blue.listPropertiesOfSecrets()), [name]);

  const restored = await blue.restoreSecretBackup(await red.backupSecret(own));
  assert.equal(restored.id, `${world.vaults.blue}/secrets/${own}/${made.properties.version}`);
  assert.deepEqual(await versionsOf(blue, own), await versionsOf(red, own));
  same((await blue.getSecret(own)).value, "red alone", "what was restored");
  await refused(blue.restoreSecretBackup(await red.backupSecret(name)), 409, "Conflict");

  await (await red.beginDeleteSecret(name)).pollUntilDone();
  same((await blue.getSecret(name)).value, "of blue", "what blue keeps");
  assert.deepEqual(await names(red.listDeletedSecrets()), [name]);
  assert.deepEqual(await names(blue.listDeletedSecrets()), []);
  await refused(blue.purgeDeletedSecret(name), 404, "SecretNotFound");
  await red.purgeDeletedSecret(name);
  same((await blue.getSecret(name)).value, "of blue", "what blue keeps");
});

test("a team's pages end with the team", async () => {
  const green = client("green");
  await green.listPropertiesOfSecrets().next();
  const mine = Array.from({ length: 30 }, (_, i) => fresh(`page-${10 + i}`));
  await inTurns(mine.map((n) => () => green.setSecret(n, "value")));
  for (const maxPageSize of [undefined, 1, 10, 25]) {
    const pages = await all(green.listPropertiesOfSecrets().byPage({ maxPageSize }));
    assert.deepEqual(pages.flat().map((p) => p.name), mine);
  }
});
