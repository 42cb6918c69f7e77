// Verifies each signature of a report, by the key in KEYID.pem beside it, with
// @sigstore/core alone; and that no changed payload verifies.
import { readFileSync } from "node:fs";
import { crypto, dsse } from "@sigstore/core";

const envelope = JSON.parse(readFileSync(process.argv[2], "utf8"));
const payload = Buffer.from(envelope.payload, "base64");
const changed = Buffer.from(payload);
changed[changed.length - 2] ^= 1;

for (const { keyid, sig } of envelope.signatures) {
  const key = crypto.createPublicKey(readFileSync(`${keyid}.pem`, "utf8"));
  const algorithm = key.asymmetricKeyType === "ec" ? "sha256" : undefined;
  const verifies = (body) =>
    crypto.verify(dsse.preAuthEncoding(envelope.payloadType, body), key, Buffer.from(sig, "base64"), algorithm);
  if (!verifies(payload)) throw new Error(`${keyid}: not verified`);
  if (verifies(changed)) throw new Error(`${keyid}: verifies another payload`);
  console.log(keyid, "verified");
}
