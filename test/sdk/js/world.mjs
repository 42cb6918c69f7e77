// What every test shares: clients of the vaults that WORLD names, and checks
// that never print a value.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { SecretClient, isRestError } from "@azure/keyvault-secrets";

// vaults: URLs by role; tokens for each; can: what the product behind does that others do not;
// limits: versions of a secret, days of retention.
export const world = JSON.parse(process.env.WORLD);

const credential = (token) => ({
  getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
});

// client leaves the verification of the challenge on, as it is by default.
export const client = (vault, options = {}, token = world.tokens[vault]) =>
  new SecretClient(world.vaults[vault], credential(token), options);

// The first call of a client goes alone: of several at once this SDK (4.12.0)
// may send one again without its body, once another was challenged before it.
const known = async (vault) => {
  const c = client(vault);
  await c.listPropertiesOfSecrets().next();
  return c;
};

export const one = await known("one");
export const two = await known("two");

export const fresh = (prefix) => `${prefix}-${randomUUID()}`;

// same compares values without showing them.
export const same = (got, want, what) =>
  assert.ok(got === want, `${what}: ${got?.length} characters are not the ${want.length} expected`);

// refused awaits the SDK's own error type with this status and code.
export async function refused(promise, status, code, message = /./) {
  const err = await promise.then(() => assert.fail(`no error, want ${status} ${code}`), (e) => e);
  assert.ok(isRestError(err), `not the SDK's type: ${err.name}: ${err.message}`);
  assert.equal(err.statusCode, status, err.message);
  assert.equal(err.code, code);
  assert.match(err.message, message);
  return err;
}

// innerCode is the code that tells the reasons of one status apart.
export const innerCode = (err) => err.details.error.innerError?.code;

export async function all(iterator) {
  const found = [];
  for await (const item of iterator) found.push(item);
  return found;
}

// inTurns runs the tasks, a few at once.
export async function inTurns(tasks, width = 8) {
  const results = [];
  const queue = tasks.entries();
  const worker = async () => {
    for (const [i, task] of queue) results[i] = await task();
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

// attributes are what a version keeps wherever it goes.
export const attributes = (p) => ({
  version: p.version,
  enabled: p.enabled,
  contentType: p.contentType,
  tags: p.tags,
  notBefore: p.notBefore?.getTime(),
  expiresOn: p.expiresOn?.getTime(),
  createdOn: p.createdOn.getTime(),
});

export const versionsOf = async (c, name) =>
  new Map((await all(c.listPropertiesOfSecretVersions(name))).map((p) => [p.version, attributes(p)]));
