// As much of a browser as signing in takes: cookies, redirects, forms. It sends what browsers send by
// themselves (Origin, Sec-Fetch-*), which `fetch` of Node does not let anybody say.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";

// workerd and Node close what has been idle for five seconds, perhaps just as it is used again: we are done with it before.
const agent = new Agent({ keepAlive: true, timeout: 2000 });

export class Visitor {
  // Of all hosts and ports together: everything here is at localhost, and ports don't separate cookies.
  cookies = new Map();
  // How long it waits for a whole answer, in milliseconds.
  patience = 20_000;

  // One request, one answer: no redirect is followed.
  async send(url, { method = "GET", headers = {}, form } = {}) {
    const body = form && new URLSearchParams(form).toString();
    const answer = await exchange(url, method, {
      ...(this.cookies.size && { cookie: this.cookie }),
      ...(body && { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) }),
      ...headers,
    }, body, this.patience);
    this.take(answer);
    return answer;
  }

  // The `Cookie` header.
  get cookie() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  // Obeys the `Set-Cookie` lines of an answer.
  take({ headers }) {
    for (const line of headers["set-cookie"] ?? []) this.#keep(line);
  }

  // Goes to a page, as a link does.
  open(url, headers = {}) {
    return this.send(url, { headers: { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", ...headers } });
  }

  // What a script of a page does.
  fetch(url, options = {}) {
    const { origin } = new URL(url);
    return this.send(url, { ...options, headers: { accept: "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", origin, ...options.headers } });
  }

  // Goes on until an answer redirects no more, or would lead to a URL that `end` is true of.
  async follow(answer, end = () => false) {
    for (let steps = 0; steps < 12; steps += 1) {
      const next = answer.headers.location;
      if (!next || answer.status < 300 || answer.status > 399) return answer;
      const url = new URL(next, answer.url);
      if (end(url)) return { ...answer, next: url };
      answer = await this.open(url);
    }
    throw new Error(`it never ends: ${answer.url}`);
  }

  // Submits the first form of a page, with its hidden fields and these.
  async submit(page, fields = {}) {
    const form = formOf(page.body);
    assert.ok(form, `there is no form at ${page.url} (${page.status}):\n${page.body.slice(0, 2000)}`);
    const url = new URL(form.action, page.url);
    return this.send(url, {
      method: "POST",
      form: { ...form.hidden, ...fields },
      headers: { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin", origin: url.origin },
    });
  }

  #keep(line) {
    const [pair, ...attributes] = line.split(";").map((part) => part.trim());
    const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    const over = attributes.some((attribute) => {
      const [key, value] = attribute.toLowerCase().split("=");
      return (key === "max-age" && Number(value) <= 0) || (key === "expires" && Date.parse(value) < Date.now());
    });
    if (over) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

function exchange(url, method, headers, body, patience) {
  let timer;
  const whole = new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part)).once("error", reject).once("end", () => resolve({
        url: String(url), status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString("utf8"),
      }));
    });
    timer = setTimeout(() => asked.destroy(new Error(`${method} ${url}: no answer`)), patience);
    asked.once("error", reject).end(body);
  });
  return whole.finally(() => clearTimeout(timer));
}

// The first form of a page: where it goes, and its hidden fields.
export function formOf(html) {
  const [, tag, inside] = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(html) ?? [];
  if (!tag) return null;
  const inputs = [...inside.matchAll(/<input\b([^>]*)>/gi)].map(([, tag]) => tag);
  const hidden = inputs.filter((tag) => attribute(tag, "type") === "hidden");
  return {
    action: attribute(tag, "action") ?? "",
    hidden: Object.fromEntries(hidden.map((tag) => [attribute(tag, "name"), attribute(tag, "value") ?? ""])),
  };
}

function attribute(tag, name) {
  const value = new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s>]*))`, "i").exec(tag);
  return value && (value[1] ?? value[2] ?? value[3])
    .replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
