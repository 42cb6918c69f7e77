// Clients of a fleet, for internal/fleet: each line of the input is a call, and
// each line of the output what came of it. Each lane has a client and a token of
// its own, and makes one call at a time, with the retries that the SDK has by
// itself.
import { createInterface } from "node:readline";
import { SecretClient } from "@azure/keyvault-secrets";

const { url, tokens } = JSON.parse(process.env.WORLD);

const methods = { put: "PUT", get: "GET", delete: "DELETE", recover: "POST", purge: "DELETE" };

// count notes how often the request of a call is sent, and the id of its last
// answer. What only asks for a challenge has no token yet.
const count = (lane) => ({
  name: "count",
  sendRequest: async (request, next) => {
    const counts = request.method === lane.method && request.headers.has("authorization");
    if (counts) lane.said.tries++;
    const answer = await next(request);
    if (counts) lane.said.request = answer.headers.get("x-ms-request-id");
    return answer;
  },
});

const lanes = tokens.map((token) => {
  const lane = {};
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  lane.client = new SecretClient(url, credential, { additionalPolicies: [{ policy: count(lane), position: "perRetry" }] });
  return lane;
});

// No wait for a poller: one whose end another undoes asks for ever.
const calls = {
  put: (c, { name, value }) => c.setSecret(name, value),
  get: async (c, { name }) => (await c.getSecret(name)).value,
  delete: (c, { name }) => c.beginDeleteSecret(name),
  recover: (c, { name }) => c.beginRecoverDeletedSecret(name),
  purge: (c, { name }) => c.purgeDeletedSecret(name),
};

async function answer(line) {
  const call = JSON.parse(line);
  const lane = lanes[call.lane];
  lane.method = methods[call.verb];
  const said = lane.said = { lane: call.lane, tries: 0 };
  try {
    const got = await calls[call.verb](lane.client, call);
    if (call.verb === "get") said.value = got;
  } catch (err) {
    said.error = `${err.name} ${err.code}: ${err.message}`;
    said.status = err.statusCode;
  }
  console.log(JSON.stringify(said));
}

console.log("ready");
createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit());
