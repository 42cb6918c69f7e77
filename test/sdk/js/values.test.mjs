// Values come back as they went, up to the limit, and not one byte over.
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fresh, one, refused, same } from "./world.mjs";

const limit = 25_600;

const values = {
  "empty": "",
  "spaces and line ends": " \t leading, trailing \r\n\n ",
  "quotes and escapes": `"'\\/<>&\u0000\u001f\u007f`,
  "separators of lines": "\u2028\u2029\u0085\ufeff",
  "Unicode, composed and not": "é é ﬁ ß İ ı Ω Ω",
  "beyond the basic plane": "😀👩‍👩‍👧‍👦𝔘𠜎",
  "right to left": "שלום عليكم \u202e",
  "JSON": JSON.stringify({ user: "u", password: "p", n: 1.0e400 + "" }),
  "bytes as base64": randomBytes(1000).toString("base64"),
  "bytes as base64url": randomBytes(1000).toString("base64url"),
  "the limit in ASCII": "x".repeat(limit),
  "the limit in two bytes": "é".repeat(limit / 2),
  "the limit in four bytes": "😀".repeat(limit / 4),
  "the limit in escapes": "\u0001".repeat(limit),
};

for (const [what, value] of Object.entries(values)) {
  test(what, async () => {
    const name = fresh("value");
    const contentType = what.startsWith("bytes") ? "application/octet-stream;base64" : undefined;
    const set = await one.setSecret(name, value, { contentType });
    same(set.value, value, "the answer to set");
    same((await one.getSecret(name)).value, value, "the current version");
    same((await one.getSecret(name, { version: set.properties.version })).value, value, "by its id");
  });
}

for (const [what, value] of Object.entries({
  "one byte over": "x".repeat(limit + 1),
  "one character over, in two bytes": "é".repeat(limit / 2 + 1),
  "half a character": "\ud800",
})) {
  test(`${what} is refused`, async () => {
    const name = fresh("value");
    await refused(one.setSecret(name, value), 400, "BadParameter");
    await refused(one.getSecret(name), 404, "SecretNotFound");
  });
}
