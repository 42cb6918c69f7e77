// Loaded before the tests: names below vault.localhost lead to this machine,
// as a line in the hosts file would make them. Nothing of the SDK changes.
import { webcrypto } from "node:crypto";
import dns from "node:dns";

const lookup = dns.lookup;

dns.lookup = (host, options, callback) =>
  lookup(/\.vault\.localhost$/i.test(host) ? "127.0.0.1" : host, options, callback);

globalThis.crypto ??= webcrypto; // Debian 12 has Node 18, which lacks it
