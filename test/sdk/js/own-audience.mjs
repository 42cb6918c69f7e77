// A program with a managed identity of Azure's, at a gateway whose audience is its
// own. It prints a line when it has read.
import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { fresh, same, world } from "./world.mjs";

const c = new SecretClient(world.vaults.one, new ManagedIdentityCredential({ clientId: "c" }));
const name = fresh("own");
await c.setSecret(name, "value");
same((await c.getSecret(name)).value, "value", "what was set");
console.log("ManagedIdentityCredential reads");
