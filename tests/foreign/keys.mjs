// Keys of clients that authenticate by them, and somewhere to publish them.
import { once } from "node:events";
import { createServer } from "node:http";
import { later } from "./checks.mjs";

const kinds = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};

// A private key as the clients take it, and its public half as a JWK.
export async function signingKey(alg, kid) {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(kinds[alg], true, ["sign", "verify"]);
  const { key_ops, ext, ...members } = await crypto.subtle.exportKey("jwk", publicKey);
  return { key: privateKey, kid, jwk: { ...members, kid, alg, use: "sig" } };
}

// Serves a JWK Set, which may be changed, and counts how often somebody asked for it.
export async function published(...keys) {
  const set = { keys, hits: 0 };
  const server = createServer((_, answer) => {
    set.hits += 1;
    answer.setHeader("content-type", "application/json").end(JSON.stringify({ keys: set.keys }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  later(() => {
    server.closeAllConnections();
    server.close();
  });
  set.uri = `http://127.0.0.1:${server.address().port}/jwks`;
  return set;
}
