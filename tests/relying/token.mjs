// Keys and signed tokens, by Node's own cryptography: good ones, and ones that no library would make.
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export const random = () => randomBytes(24).toString("base64url");
export const seconds = () => Math.floor(Date.now() / 1000);

// How each algorithm signs, and with which hash its keys are made to sign.
const kinds = {
  RS256: { type: "rsa", options: { modulusLength: 2048 }, hash: "sha256" },
  ES256: { type: "ec", options: { namedCurve: "P-256" }, hash: "sha256" },
  EdDSA: { type: "ed25519", options: {}, hash: null },
};

// A private key and its public half as a JWK. Without `kid` it has no name.
export function signingKey(alg, kid, more) {
  const { type, options } = kinds[alg];
  const { privateKey, publicKey } = generateKeyPairSync(type, { ...options, ...more });
  const jwk = { ...publicKey.export({ format: "jwk" }), alg, use: "sig", ...(kid && { kid }) };
  return { alg, kid, privateKey, jwk };
}

// A compact JWS with this header and these claims. Claims may also be the JSON text itself.
export function signed(header, claims, { alg, privateKey }) {
  const input = signingInput(header, claims);
  const { hash } = kinds[alg];
  return `${input}.${sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

export const unsigned = (header, claims) => `${signingInput({ ...header, alg: "none" }, claims)}.`;

// With a key that both sides know, or that the verifier might take for one.
export function signedBySecret(header, claims, secret) {
  const input = signingInput({ ...header, alg: "HS256" }, claims);
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

// With a signature that fits something else.
export function spoiled(token) {
  const [header, claims, signature] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes[bytes.length - 1] ^= 1;
  return `${header}.${claims}.${bytes.toString("base64url")}`;
}

// `at_hash` and `c_hash`, OpenID Connect Core §3.1.3.6.
export function halfHash(text, alg) {
  const whole = createHash(alg === "EdDSA" ? "sha512" : "sha256").update(text).digest();
  return whole.subarray(0, whole.length / 2).toString("base64url");
}

function signingInput(header, claims) {
  const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}`;
}
