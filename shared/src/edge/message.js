// Messages on their way between the runtime and Rust, in the runtime's own language: every call out of wasm costs, so
// headers cross as one string and a body as one promise. Nothing here looks at what a message says.

// Headers, a line `name,value` each. No name has a comma, no value a line feed.
export function lines(message) {
  return Array.from(message.headers).join("\n");
}

// The head of a request: method, URL and headers.
export function head(request) {
  return `${request.method}\n${request.url}\n${lines(request)}`;
}

export function hasBody(message) {
  return message.body !== null;
}

// The body as bytes; undefined when there are more than `most`.
export async function body(message, most) {
  const length = message.headers.get("content-length");
  // What is compressed is longer than it says.
  if (length !== null && !message.headers.has("content-encoding")) {
    return Number(length) <= most ? new Uint8Array(await message.arrayBuffer()) : undefined;
  }
  const parts = [];
  let total = 0;
  for await (const part of message.body ?? []) {
    total += part.length;
    if (total > most) return undefined;
    parts.push(part);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A response of our own.
export function respond(status, lines, body) {
  return new Response(status === 204 || status === 304 ? null : body, { status, headers: pairs(lines) });
}

// Sends a request to somebody else, or to a Worker that is bound to this one, and reads the answer: its head, which is
// the status and the headers, and its body; undefined when that is larger than `most`.
export async function exchange(service, method, url, headers, sent, seconds, most) {
  const answer = await (service ?? globalThis).fetch(url, {
    method, headers: pairs(headers), body: sent.length ? sent : undefined, redirect: "manual", signal: AbortSignal.timeout(seconds * 1000),
  });
  const bytes = await body(answer, most);
  return bytes && [`${answer.status}\n${lines(answer)}`, bytes];
}

function pairs(lines) {
  return lines === "" ? [] : lines.split("\n").map((line) => {
    const comma = line.indexOf(",");
    return [line.slice(0, comma), line.slice(comma + 1)];
  });
}
